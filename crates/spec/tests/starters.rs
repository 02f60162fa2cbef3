//! Starter folders: resources that are accepted and data that can be trained on.

use std::collections::{BTreeMap, BTreeSet};

use loquat_spec::{SourceText, Task, parse, starter};
use serde_json::Value;

const TRAINED: [Task; 3] =
    [Task::TextClassification, Task::MultiLabelClassification, Task::LanguageIdentification];

fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn starters_exist_for_the_tasks_that_train() {
    for task in Task::ALL {
        assert_eq!(starter(task).is_some(), TRAINED.contains(&task), "{}", task.as_str());
    }
}

#[test]
fn resources_are_accepted_and_name_the_data_file() {
    for task in TRAINED {
        let files = starter(task).unwrap();
        let text = SourceText { path: files[0].0.clone().into(), text: files[0].1.clone() };
        let resources = parse(&[text]).unwrap_or_else(|findings| panic!("{findings:#?}"));
        let dataset = &resources.datasets[0].value;
        assert_eq!(dataset.task, task);
        assert_eq!(dataset.files[0].path, files[1].0);
        assert_eq!(resources.trainings[0].value.dataset, dataset.name);
        assert_eq!(resources.trainings[0].value.metric, task.metrics()[0]);
        assert_eq!(resources.endpoints[0].value.model.name, resources.trainings[0].value.name);
        assert!(
            !files[0].1.contains('{') || !files[0].1.contains('}'),
            "a placeholder is left:\n{}",
            files[0].1
        );
    }
}

#[test]
fn data_has_enough_rows_of_every_class_and_no_two_alike() {
    for task in TRAINED {
        let files = starter(task).unwrap();
        let mut classes: BTreeMap<String, usize> = BTreeMap::new();
        let mut texts: Vec<BTreeSet<String>> = Vec::new();
        for line in files[1].1.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            let labels = match (&row["label"], &row["labels"]) {
                (Value::String(label), Value::Null) => vec![label.clone()],
                (Value::Null, Value::Array(labels)) => {
                    labels.iter().map(|label| label.as_str().unwrap().into()).collect()
                }
                other => panic!("{other:?}"),
            };
            for label in labels {
                *classes.entry(label).or_default() += 1;
            }
            let text = words(row["text"].as_str().unwrap());
            for other in &texts {
                let shared = text.intersection(other).count() as f64 / text.union(other).count() as f64;
                assert!(shared < 0.6, "{text:?} is much like {other:?}");
            }
            texts.push(text);
        }
        assert!(classes.len() >= 3 && classes.values().all(|rows| *rows >= 8), "{classes:?}");
    }
}
