//! How far two precisions of one model agree.

use loquat_models::Manifest;
use loquat_spec::Task;

use crate::pipeline::cosine;
use crate::ranking::best;

/// An agreement from 0 to 1, and how it was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Agreement {
    pub(crate) value: f64,
    pub(crate) measure: &'static str,
    /// Number of texts, tokens or decisions compared.
    pub(crate) compared: usize,
}

/// The agreement of two sets of outputs for the same inputs.
pub(crate) fn of(manifest: &Manifest, full: &[Vec<f32>], int8: &[Vec<f32>]) -> Agreement {
    let rows = full.iter().zip(int8);
    match manifest.task {
        Task::Embedding => {
            let cosines: Vec<f64> = rows.map(|(full, int8)| f64::from(cosine(full, int8))).collect();
            mean(&cosines, "mean cosine of vectors")
        }
        Task::TokenClassification => {
            let width = manifest.labels.len().max(1);
            let same: Vec<f64> = rows
                .flat_map(|(full, int8)| full.chunks_exact(width).zip(int8.chunks_exact(width)))
                .map(|(full, int8)| f64::from(u8::from(best(full) == best(int8))))
                .collect();
            mean(&same, "share of tokens with the same label")
        }
        Task::MultiLabelClassification => {
            let thresholds = manifest.thresholds.as_deref().unwrap_or_default();
            let same: Vec<f64> = rows
                .flat_map(|(full, int8)| full.iter().zip(int8).zip(thresholds))
                .map(|((full, int8), threshold)| {
                    f64::from(u8::from((full >= threshold) == (int8 >= threshold)))
                })
                .collect();
            mean(&same, "share of decisions that are the same")
        }
        _ => {
            let same: Vec<f64> =
                rows.map(|(full, int8)| f64::from(u8::from(best(full) == best(int8)))).collect();
            mean(&same, "share of texts with the same label")
        }
    }
}

fn mean(values: &[f64], measure: &'static str) -> Agreement {
    let value = values.iter().sum::<f64>() / values.len().max(1) as f64;
    Agreement { value, measure, compared: values.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(task: Task) -> Manifest {
        let mut manifest = Manifest::new(task, vec!["a".into(), "b".into()], Vec::new());
        manifest.thresholds = Some(vec![0.5, 0.9]);
        manifest
    }

    #[test]
    fn each_task_compares_its_own_answers() {
        struct Case {
            task: Task,
            full: Vec<Vec<f32>>,
            int8: Vec<Vec<f32>>,
            value: f64,
            compared: usize,
        }
        let cases = [
            Case {
                task: Task::TextClassification,
                full: vec![vec![0.6, 0.4], vec![0.1, 0.9]],
                int8: vec![vec![0.4, 0.6], vec![0.3, 0.7]],
                value: 0.5,
                compared: 2,
            },
            Case {
                task: Task::MultiLabelClassification,
                full: vec![vec![0.6, 0.95]],
                int8: vec![vec![0.7, 0.8]],
                value: 0.5,
                compared: 2,
            },
            Case {
                task: Task::TokenClassification,
                full: vec![vec![0.6, 0.4, 0.1, 0.9], vec![0.9, 0.1]],
                int8: vec![vec![0.6, 0.4, 0.8, 0.2], vec![0.9, 0.1]],
                value: 2.0 / 3.0,
                compared: 3,
            },
            Case {
                task: Task::Embedding,
                full: vec![vec![1.0, 0.0], vec![0.0, 2.0]],
                int8: vec![vec![3.0, 0.0], vec![1.0, 0.0]],
                value: 0.5,
                compared: 2,
            },
        ];
        for case in cases {
            let found = of(&manifest(case.task), &case.full, &case.int8);
            assert!((found.value - case.value).abs() < 1e-6, "{:?}: {found:?}", case.task);
            assert_eq!(found.compared, case.compared, "{:?}", case.task);
        }
    }
}
