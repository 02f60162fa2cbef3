//! The starter folders that `loquat init` writes.

use loquat_spec::Task;

/// A commented resource file and the data that it names. `NAME` stands for the resources' name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starter {
    resources: &'static str,
    /// Content of the data file.
    pub(crate) data: &'static str,
}

macro_rules! starter {
    ($task:literal) => {
        Starter {
            resources: include_str!(concat!("../starters/", $task, ".yaml")),
            data: include_str!(concat!("../starters/", $task, ".jsonl")),
        }
    };
}

impl Starter {
    /// The starter of a task: data and a search where models for it can be trained, else a model made elsewhere.
    pub(crate) fn of(task: Task) -> Option<Self> {
        match task {
            Task::TextClassification => Some(starter!("text-classification")),
            Task::MultiLabelClassification => Some(starter!("multi-label-classification")),
            Task::LanguageIdentification => Some(starter!("language-identification")),
            Task::TokenClassification => Some(starter!("token-classification")),
            Task::TextPairClassification => Some(starter!("text-pair-classification")),
            Task::ZeroShotClassification => Some(starter!("zero-shot-classification")),
            Task::Embedding => Some(starter!("embedding")),
            Task::Translation => None,
        }
    }

    /// The resource file with every resource called `name`.
    pub(crate) fn resources(&self, name: &str) -> String {
        self.resources.replace("NAME", name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_starter_is_a_valid_set_of_resources() {
        for task in Task::ALL {
            let Some(starter) = Starter::of(task) else { continue };
            let file =
                loquat_spec::SourceText { path: "starter.yaml".into(), text: starter.resources("demo") };
            let resources = loquat_spec::parse(&[file]).unwrap_or_else(|found| panic!("{task:?}: {found:?}"));
            let trained = resources.datasets.iter().map(|dataset| dataset.value.task);
            let imported = resources.models.iter().map(|model| model.value.task);
            assert_eq!(trained.chain(imported).collect::<Vec<_>>(), [task]);
            let trained = resources.trainings.iter().map(|training| training.value.name.as_str());
            let imported = resources.models.iter().map(|model| model.value.name.as_str());
            assert_eq!(trained.chain(imported).collect::<Vec<_>>(), ["demo"]);
            assert_eq!(resources.endpoints.len(), 1);
        }
    }
}
