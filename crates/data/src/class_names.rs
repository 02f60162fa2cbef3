//! Names of classes that a Parquet file holds as numbers, as the `datasets` library writes them into the file's metadata:
//! `{"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}`.

use std::collections::BTreeMap;

use parquet::file::metadata::FileMetaData;
use serde_json::Value;

/// Where the library writes.
const KEY: &str = "huggingface";

/// Names of the classes of each column that has some.
#[derive(Debug, Default)]
pub(crate) struct ClassNames(BTreeMap<String, Vec<String>>);

impl ClassNames {
    /// The names that a file brings; none where it is another writer's.
    pub(crate) fn of(metadata: &FileMetaData) -> Self {
        let entries = metadata.key_value_metadata().into_iter().flatten();
        let text = entries.filter(|entry| entry.key == KEY).find_map(|entry| entry.value.as_deref());
        let parsed: Value = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let features = parsed["info"]["features"].as_object().into_iter().flatten();
        Self(features.filter_map(|(column, feature)| Some((column.clone(), names(feature)?))).collect())
    }

    /// The column with its class by name: a number that has none, such as -1, stands for no class.
    pub(crate) fn named(&self, column: String, value: Value) -> (String, Value) {
        let Some(names) = self.0.get(&column) else { return (column, value) };
        let named = match value {
            Value::Number(number) => class(names, &Value::Number(number)),
            Value::Array(numbers) => numbers.iter().map(|number| class(names, number)).collect(),
            other => other,
        };
        (column, named)
    }
}

/// The names of a class column, or of a column of lists of classes.
fn names(feature: &Value) -> Option<Vec<String>> {
    let feature = feature.get("feature").unwrap_or(feature);
    let names = feature.get("names").filter(|_| feature["_type"] == "ClassLabel")?;
    names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

fn class(names: &[String], number: &Value) -> Value {
    let index = number.as_u64().and_then(|index| usize::try_from(index).ok());
    index.and_then(|index| names.get(index)).map_or(Value::Null, |name| Value::String(name.clone()))
}
