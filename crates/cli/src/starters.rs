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
    /// The starter of a task, where models for it can be trained.
    pub(crate) fn of(task: Task) -> Option<Self> {
        match task {
            Task::TextClassification => Some(starter!("text-classification")),
            Task::MultiLabelClassification => Some(starter!("multi-label-classification")),
            Task::LanguageIdentification => Some(starter!("language-identification")),
            Task::TokenClassification
            | Task::TextPairClassification
            | Task::ZeroShotClassification
            | Task::Embedding
            | Task::Translation => None,
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
            assert_eq!(resources.datasets[0].value.task, task);
            assert_eq!(resources.trainings[0].value.name.as_str(), "demo");
            assert_eq!(resources.endpoints.len(), 1);
        }
    }
}
