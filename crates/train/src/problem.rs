//! The data of one training, seen as rows, labels, groups and a metric.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use loquat_data::{Input, Part, Row, Table};
use loquat_models::{Calibration, Decoding, pair_text};
use loquat_spec::{Family, Metric, PairData, Task, Training};

use crate::calibrate::{self, Margins};
use crate::encoder::{Features, HeadConfig, adapts, is_head};
use crate::error::TrainError;
use crate::folds::{FoldInput, Folds};
use crate::linear::{LinearConfig, LinearError, Parameters, Targets, Workspace};
use crate::metrics::{Answers, row_loss, utility};
use crate::tagging::{CrfConfig, Tagging, is_crf, outside};
use crate::thresholds::{self, Probabilities};

const SUPPORTED: &str = "text-classification, multi-label-classification, language-identification, token-classification, text-pair-classification, embedding of pairs";

/// What is trained on what, and how it is scored.
pub(crate) struct Problem<'a> {
    pub(crate) table: &'a Table,
    pub(crate) metric: Metric,
    pub(crate) multi_label: bool,
    pub(crate) calibration: bool,
    pub(crate) classes: usize,
    /// Rows as words with labels, where words are labelled.
    pub(crate) tagging: Option<Tagging>,
    /// What rows say of pairs of texts, where an embedding is trained.
    pub(crate) pairs: Option<PairData>,
    /// Rows to train on: training and development together.
    pub(crate) pool: Vec<usize>,
    pub(crate) test: Vec<usize>,
    /// Group of each row of the table: its group, else its text.
    pub(crate) groups: Vec<u32>,
    pub(crate) workspace: Workspace<'a>,
    /// Texts as a person reads them, where they are not those of the table.
    shown: Vec<Option<String>>,
    /// Families of the search, in the resource's order.
    pub(crate) families: Vec<Family>,
    /// Number of backbones that encoders may start from, one that is adapted or made from scratch included.
    pub(crate) backbones: usize,
    /// Features under each backbone, once they are computed.
    pub(crate) features: OnceLock<Vec<Features>>,
}

/// How margins become answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) calibration: Calibration,
    /// Threshold per label, for sets of labels.
    pub(crate) thresholds: Option<Vec<f32>>,
}

impl<'a> Problem<'a> {
    pub(crate) fn new(training: &Training, table: &'a Table) -> Result<Self, TrainError> {
        let supported = [
            Task::TextClassification,
            Task::MultiLabelClassification,
            Task::LanguageIdentification,
            Task::TokenClassification,
            Task::TextPairClassification,
        ];
        let pairs = if table.task == Task::Embedding { pair_data(&table.rows) } else { None };
        if !supported.contains(&table.task) && pairs.is_none() {
            return Err(TrainError::Task { task: table.task, supported: SUPPORTED });
        }
        let multi_label = table.task == Task::MultiLabelClassification;
        let tagging = (table.task == Task::TokenClassification).then(|| Tagging::new(table));
        let targets = match &tagging {
            Some(tagging) => tagging.targets(table),
            None => Targets {
                classes: table.labels.len(),
                multi_label,
                labels: table.rows.iter().map(|row| row.labels.clone()).collect(),
                shares: match table.has_shares() {
                    true => table.rows.iter().map(|row| row.shares.clone()).collect(),
                    false => Vec::new(),
                },
                weights: table.rows.iter().map(|row| row.weight).collect(),
            },
        };
        Ok(Self {
            table,
            metric: training.metric,
            multi_label,
            calibration: training.calibration,
            classes: table.labels.len(),
            tagging,
            pairs,
            pool: (0..table.rows.len()).filter(|row| table.rows[*row].part != Part::Test).collect(),
            test: table.indices(Part::Test),
            groups: group_numbers(&table.rows),
            workspace: Workspace::new(table.rows.iter().map(linear_text).collect(), targets),
            shown: table.rows.iter().map(shown_text).collect(),
            families: training.search.families.clone(),
            backbones: training.backbones.len()
                + usize::from(adapts(training))
                + usize::from(training.is_from_scratch()),
            features: OnceLock::new(),
        })
    }

    /// Features of the rows that are trained on, under the backbone at `place` of the resource's list.
    pub(crate) fn features(&self, place: usize) -> Result<&Features, LinearError> {
        let found = self.features.get().and_then(|all| all.get(place));
        found.ok_or(LinearError::Parameter { name: "backbone" })
    }

    /// Fits what `parameters` describe on the rows `train` and gives the margins of the rows `eval`, `[eval, classes]`.
    ///
    /// Runs on the caller's thread; the result depends on the arguments alone.
    pub(crate) fn margins(
        &self,
        parameters: &Parameters,
        (train, eval): (&[usize], &[usize]),
        seed: u64,
    ) -> Result<Vec<f32>, LinearError> {
        if let Some(tagging) = self.tagging.as_ref().filter(|_| is_crf(parameters)) {
            return CrfConfig::from_parameters(parameters)?.margins(tagging, (train, eval), seed);
        }
        if is_head(parameters) {
            return HeadConfig::from_parameters(parameters)?.margins(self, (train, eval), seed);
        }
        let config = LinearConfig::from_parameters(parameters)?;
        self.workspace.margins(&config, train, eval, seed)
    }

    /// The metrics of the report, the task's default first.
    pub(crate) fn metrics(&self) -> &'static [Metric] {
        self.pairs.map_or(self.table.task.metrics(), PairData::metrics)
    }

    /// Whether a development split was trained on too.
    pub(crate) fn has_development(&self) -> bool {
        self.pool.iter().any(|row| self.table.rows[*row].part == Part::Development)
    }

    /// Labels of each row of the table; kinds of spans where words are labelled.
    pub(crate) fn labels(&self) -> &[Vec<u32>] {
        self.tagging.as_ref().map_or(&self.workspace.targets().labels, |tagging| &tagging.kinds)
    }

    /// A row as a person reads it.
    pub(crate) fn text(&self, row: usize) -> &str {
        let of_words = || Some(self.tagging.as_ref()?.rows[row].text.as_str());
        of_words().or(self.shown[row].as_deref()).unwrap_or_else(|| self.table.rows[row].text())
    }

    /// A row as a model is asked about it.
    pub(crate) fn input(&self, row: usize) -> loquat_infer::Input {
        match &self.table.rows[row].input {
            Input::Pair { premise, hypothesis } => loquat_infer::Input::pair(premise, hypothesis),
            Input::Alike { first, second, .. } => loquat_infer::Input::pair(first, second),
            _ => loquat_infer::Input::new(self.text(row)),
        }
    }

    /// Number of values that stand together: a probability for each label of a text, or of a word.
    pub(crate) fn width(&self) -> usize {
        self.tagging.as_ref().map_or(self.classes, |tagging| tagging.tags.len())
    }

    /// Numbers of what has values of its own: of the rows, or of their words.
    pub(crate) fn units<'r>(&self, rows: &'r [usize]) -> Cow<'r, [usize]> {
        match &self.tagging {
            Some(tagging) => Cow::Owned(tagging.words(rows)),
            None => Cow::Borrowed(rows),
        }
    }

    /// Number of values of `rows` together.
    pub(crate) fn values(&self, rows: &[usize]) -> usize {
        let units = self.tagging.as_ref().map_or(rows.len(), |tagging| tagging.lengths(rows).sum());
        units * self.width()
    }

    /// Where the values of each of `rows` lie.
    pub(crate) fn places(&self, rows: &[usize]) -> Vec<Range<usize>> {
        let width = self.width();
        let mut start = 0;
        let lengths: Vec<usize> = match &self.tagging {
            Some(tagging) => tagging.lengths(rows).collect(),
            None => vec![1; rows.len()],
        };
        let place = |length: usize| {
            start += length * width;
            start - length * width..start
        };
        lengths.into_iter().map(place).collect()
    }

    /// The labels of a row's answers as a person reads them.
    pub(crate) fn shown(&self, row: usize, labels: &[u32]) -> Vec<String> {
        let names = &self.table.labels;
        let name = |label: &u32| match &self.tagging {
            Some(tagging) => tagging.shown(row, *label, names),
            None => {
                names.get(*label as usize).map_or("a label that the data lacks", String::as_str).to_owned()
            }
        };
        labels.iter().map(name).collect()
    }

    /// Folds of `pool`, stratified and grouped.
    pub(crate) fn folds(&self, pool: &[usize], folds: usize, seed: u64) -> Result<Folds, TrainError> {
        let input = FoldInput { labels: self.labels(), groups: &self.groups, classes: self.classes };
        Folds::new(input, pool, folds, seed).ok_or_else(|| {
            let groups: std::collections::BTreeSet<u32> = pool.iter().map(|row| self.groups[*row]).collect();
            TrainError::TooFewRows { rows: pool.len(), groups: groups.len(), folds }
        })
    }

    /// Labels of what has values of its own: of each row, or of each word of each row.
    pub(crate) fn truth(&self, rows: &[usize]) -> Vec<&[u32]> {
        if let Some(tagging) = &self.tagging {
            return tagging.truth(rows);
        }
        rows.iter().map(|row| self.labels()[*row].as_slice()).collect()
    }

    /// The share of each label of each of `rows`; empty where annotators disagree about no row of the table.
    pub(crate) fn shares(&self, rows: &[usize]) -> Vec<&[(u32, f32)]> {
        let targets = self.workspace.targets();
        let some = !targets.shares.is_empty();
        rows.iter().filter(|_| some).map(|row| targets.shares(*row)).collect()
    }

    /// Probabilities `[rows, classes]` under `calibration`.
    pub(crate) fn probabilities(&self, calibration: &Calibration, margins: &[f32]) -> Vec<f32> {
        calibrate::apply(calibration, margins, self.width())
    }

    /// The calibration that the resource asks for, fitted on the margins of `rows`.
    pub(crate) fn calibrate(&self, rows: &[usize], margins: &[f32]) -> Calibration {
        if !self.calibration {
            return calibrate::identity(self.width(), self.multi_label);
        }
        let truth = self.truth(rows);
        let shares = self.shares(rows);
        let margins = Margins { values: margins, truth: &truth, shares: &shares, classes: self.width() };
        calibrate::fit(margins, self.multi_label)
    }

    /// The calibrations of the parts of an average; `margins` are those of `rows`, part after part.
    pub(crate) fn calibrate_blend(
        &self,
        rows: &[usize],
        own: &[&Calibration],
        margins: &[&[f32]],
    ) -> Vec<Calibration> {
        if !self.calibration {
            return own.iter().map(|calibration| (*calibration).clone()).collect();
        }
        let truth = self.truth(rows);
        let shares = self.shares(rows);
        let with_truth = |values| Margins { values, truth: &truth, shares: &shares, classes: self.width() };
        let parts: Vec<(&Calibration, Margins<'_>)> = own
            .iter()
            .zip(margins)
            .map(|(calibration, values)| (*calibration, with_truth(*values)))
            .collect();
        calibrate::sharpen(&parts, self.multi_label)
    }

    /// Thresholds fitted on the probabilities of `rows`; none for single labels. Where words are labelled, the one number that
    /// [`Decoding::outside`] is.
    pub(crate) fn thresholds(&self, rows: &[usize], probabilities: &[f32]) -> Option<Vec<f32>> {
        if let Some(tagging) = &self.tagging {
            return Some(vec![outside(tagging, rows, probabilities, self.metric)]);
        }
        let truth = self.truth(rows);
        let values = Probabilities { values: probabilities, truth: &truth, classes: self.classes };
        self.multi_label.then(|| thresholds::fit(values, self.metric))
    }

    /// What is answered for `rows` with their `probabilities`.
    pub(crate) fn answers(
        &self,
        rows: &[usize],
        probabilities: &[f32],
        thresholds: Option<&[f32]>,
    ) -> Answers {
        if let Some(tagging) = &self.tagging {
            return tagging.answers(rows, probabilities, decoding(thresholds));
        }
        let truth = self.truth(rows);
        let by_row = probabilities.chunks_exact(self.classes);
        let predicted = by_row.clone().map(|row| answer(row, thresholds)).collect();
        let loss = |(row, truth): (&[f32], &&[u32])| {
            truth.first().map_or(0.0, |label| row_loss(row[*label as usize]))
        };
        let losses = if self.multi_label { Vec::new() } else { by_row.zip(&truth).map(loss).collect() };
        Answers {
            classes: self.classes,
            multi_label: self.multi_label,
            truth: truth.into_iter().map(<[u32]>::to_vec).collect(),
            predicted,
            losses,
            ..Answers::default()
        }
    }

    /// The metric of margins of held-out `rows`, larger is better.
    ///
    /// What the metric needs besides margins (a calibration for log-loss, thresholds for sets of labels) is
    /// fitted on one half of the rows and used on the other, and the other way around, so that no row is
    /// scored with what it helped to fit.
    pub(crate) fn fold_utility(&self, rows: &[usize], margins: &[f32]) -> f64 {
        let needs_fit = self.multi_label || self.tagging.is_some() || self.metric == Metric::LogLoss;
        let answers = if needs_fit {
            self.cross_fitted(rows, margins)
        } else {
            let predicted = margins.chunks_exact(self.classes).map(|row| answer(row, None)).collect();
            let truth = self.truth(rows).into_iter().map(<[u32]>::to_vec).collect();
            Answers { classes: self.classes, truth, predicted, ..Answers::default() }
        };
        utility(self.metric, answers.value(self.metric))
    }

    fn cross_fitted(&self, rows: &[usize], margins: &[f32]) -> Answers {
        let values_of = self.places(rows);
        let half = |parity: usize| -> (Vec<usize>, Vec<f32>) {
            let places = (0..rows.len()).filter(|place| place % 2 == parity);
            let values = places.clone().flat_map(|place| &margins[values_of[place].clone()]).copied();
            (places.map(|place| rows[place]).collect(), values.collect())
        };
        let halves = [half(0), half(1)];
        let (multi_label, entities) = (self.multi_label, self.tagging.is_some());
        let mut whole = Answers { classes: self.classes, multi_label, entities, ..Answers::default() };
        for (fitted, scored) in [(1, 0), (0, 1)] {
            let decision = self.decide(&halves[fitted].0, &halves[fitted].1);
            let probabilities = self.probabilities(&decision.calibration, &halves[scored].1);
            let part = self.answers(&halves[scored].0, &probabilities, decision.thresholds.as_deref());
            whole.truth.extend(part.truth);
            whole.predicted.extend(part.predicted);
            whole.losses.extend(part.losses);
            whole.tokens.extend(part.tokens);
        }
        whole
    }

    /// Calibration and thresholds fitted on the margins of `rows`.
    pub(crate) fn decide(&self, rows: &[usize], margins: &[f32]) -> Decision {
        let calibration = self.calibrate(rows, margins);
        let thresholds = self.thresholds(rows, &self.probabilities(&calibration, margins));
        Decision { calibration, thresholds }
    }
}

/// What rows say of pairs of texts; `None` where they are texts alone.
fn pair_data(rows: &[Row]) -> Option<PairData> {
    match rows.first().map(|row| &row.input) {
        Some(Input::Alike { score: Some(_), .. }) => Some(PairData::Scored),
        Some(Input::Alike { score: None, .. }) => Some(PairData::Together),
        _ => None,
    }
}

/// What the linear family sees of a row.
fn linear_text(row: &Row) -> Cow<'_, str> {
    match &row.input {
        Input::Pair { premise, hypothesis } => Cow::Owned(pair_text(premise, hypothesis)),
        _ => Cow::Borrowed(row.text()),
    }
}

fn shown_text(row: &Row) -> Option<String> {
    match &row.input {
        Input::Pair { premise: first, hypothesis: second } | Input::Alike { first, second, .. } => {
            Some(format!("{first} ‖ {second}"))
        }
        _ => None,
    }
}

/// How spans are read, from what [`Problem::thresholds`] fitted.
pub(crate) fn decoding(thresholds: Option<&[f32]>) -> Decoding {
    Decoding { outside: thresholds.and_then(<[f32]>::first).copied().unwrap_or(0.0) }
}

/// The labels answered for one row of probabilities (or margins, where only the best label counts).
pub(crate) fn answer(row: &[f32], thresholds: Option<&[f32]>) -> Vec<u32> {
    if let Some(thresholds) = thresholds {
        return thresholds::over(row, thresholds);
    }
    let mut best = 0;
    for (label, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = label;
        }
    }
    vec![best as u32]
}

fn group_numbers(rows: &[Row]) -> Vec<u32> {
    #[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
    enum Key<'r> {
        Group(&'r str),
        Text(u64),
    }
    let keys: Vec<Key<'_>> =
        rows.iter().map(|row| row.group.as_deref().map_or(Key::Text(row.key), Key::Group)).collect();
    let mut numbers: BTreeMap<Key<'_>, u32> = keys.iter().map(|key| (*key, 0)).collect();
    numbers.values_mut().zip(0..).for_each(|(number, index)| *number = index);
    keys.iter().map(|key| numbers[key]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_labels_is_answered() {
        assert_eq!(answer(&[0.2, 0.4, 0.4], None), [1]);
        assert_eq!(answer(&[0.2, 0.4, 0.4], Some(&[0.1, 0.5, 0.4])), [0, 2]);
    }
}
