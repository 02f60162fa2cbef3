//! The solvers reach the optimum of their objective; features are those of serving.

use std::collections::BTreeMap;

use loquat_models::{Calibration, Manifest, Model};
use loquat_spec::Task;
use serde_json::json;

use super::{LinearConfig, LinearError, Parameters, Random, Targets, Workspace, first_guesses};

const SUBJECTS: [&str; 3] = ["refund money back", "parcel late courier", "password login reset"];
const NOISE: [&str; 8] = ["please", "today", "again", "hello", "order", "my", "the", "why"];

/// Rows of three classes with shared noise words; one in ten has another class's word too.
fn rows(count: usize) -> (Vec<String>, Vec<Vec<u32>>) {
    let mut random = Random::new(7);
    let mut texts = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..count {
        let class = random.below(3);
        let mut words: Vec<&str> = Vec::new();
        let own: Vec<&str> = SUBJECTS[class].split(' ').collect();
        words.push(own[random.below(3)]);
        if random.below(10) == 0 {
            words.push(SUBJECTS[random.below(3)].split(' ').next().unwrap_or_default());
        }
        (0..4).for_each(|_| words.push(NOISE[random.below(8)]));
        random.shuffle(&mut words);
        texts.push(words.join(" "));
        labels.push(vec![class as u32]);
    }
    (texts, labels)
}

fn workspace<'t>(texts: &'t [String], labels: &[Vec<u32>]) -> Workspace<'t> {
    let targets = Targets {
        classes: 3,
        multi_label: false,
        labels: labels.to_vec(),
        shares: Vec::new(),
        weights: vec![1.0; labels.len()],
    };
    Workspace::new(texts.iter().map(|text| text.as_str().into()).collect(), targets)
}

fn parameters(solver: &str, changes: &[(&str, serde_json::Value)]) -> Parameters {
    let mut all: BTreeMap<String, Parameters> = BTreeMap::new();
    for task in [Task::TextClassification, Task::MultiLabelClassification] {
        for guess in first_guesses(task, 3, 100) {
            all.insert(guess["solver"].as_str().unwrap_or_default().to_owned(), guess);
        }
    }
    let mut parameters = all.remove(solver).expect("every solver has a first guess");
    parameters.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    parameters
}

fn best(margins: &[f32]) -> usize {
    (0..margins.len()).max_by(|a, b| margins[*a].total_cmp(&margins[*b])).unwrap_or(0)
}

const SOLVERS: [&str; 9] = [
    "bayes-softmax",
    "svm",
    "bayes-svm",
    "softmax",
    "logistic",
    "bayes-logistic",
    "complement-bayes",
    "multinomial-bayes",
    "embedding",
];

#[test]
fn every_solver_learns_words_that_decide() {
    let (texts, labels) = rows(400);
    let workspace = workspace(&texts, &labels);
    let (train, eval): (Vec<usize>, Vec<usize>) = (0..400).partition(|row| row % 4 != 0);
    for solver in SOLVERS {
        let config = LinearConfig::from_parameters(&parameters(solver, &[])).expect(solver);
        let margins = workspace.margins(&config, &train, &eval, 1).expect(solver);
        let right =
            eval.iter().zip(margins.chunks(3)).filter(|(row, m)| labels[**row][0] as usize == best(m));
        let accuracy = right.count() as f64 / eval.len() as f64;
        assert!(accuracy > 0.9, "{solver}: {accuracy}");
    }
}

#[test]
fn the_exported_component_answers_as_the_fitted_weights() {
    let (texts, labels) = rows(200);
    let workspace = workspace(&texts, &labels);
    let train: Vec<usize> = (0..150).collect();
    let eval: Vec<usize> = (150..200).collect();
    for solver in SOLVERS {
        let config = LinearConfig::from_parameters(&parameters(solver, &[])).expect(solver);
        let margins = workspace.margins(&config, &train, &eval, 1).expect(solver);
        let component = workspace.component(&config, &train, 1, None).expect(solver);
        let labels = ["a", "b", "c"].map(str::to_owned).to_vec();
        let model = Model::new(Manifest::new(Task::TextClassification, labels, Vec::new()), vec![component]);
        for (row, expected) in eval.iter().zip(margins.chunks(3)) {
            let mut expected = expected.to_vec();
            Calibration::Temperature(1.0).apply(&mut expected);
            let found = model.probabilities(&[&texts[*row]], 1).remove(0);
            for (e, f) in expected.iter().zip(&found) {
                // Pruning takes 0.002 of the weights' energy, so about its root, 0.045, of a margin.
                assert!((e - f).abs() < 0.045, "{solver}, row {row}: {expected:?} against {found:?}");
            }
        }
    }
}

#[test]
fn multinomial_logistic_regression_reaches_the_optimum() {
    // At the optimum the bias of a class, which is regularised as every weight, is the cost times the sum over the
    // rows of truth minus probability. A text without a known n-gram has the bias as its margins.
    let (mut texts, labels) = rows(120);
    texts.push(String::new());
    let mut all_labels = labels.clone();
    all_labels.push(vec![0]);
    let workspace = workspace(&texts, &all_labels);
    let cost = 0.5_f32;
    let config = LinearConfig::from_parameters(&parameters("softmax", &[("cost", json!(cost))])).unwrap();
    let train: Vec<usize> = (0..120).collect();
    let margins = workspace.margins(&config, &train, &(0..121).collect::<Vec<_>>(), 1).unwrap();
    let mut expected = [0.0_f32; 3];
    for (row, row_margins) in margins.chunks(3).take(120).enumerate() {
        let mut p = row_margins.to_vec();
        Calibration::Temperature(1.0).apply(&mut p);
        for class in 0..3 {
            expected[class] += cost * (f32::from(u8::from(labels[row][0] as usize == class)) - p[class]);
        }
    }
    for (bias, expected) in margins[360..].iter().zip(expected) {
        assert!((bias - expected).abs() < 0.1, "bias {bias}, expected {expected}");
    }
}

#[test]
fn complement_naive_bayes_equals_the_worked_example() {
    // Two classes: "a a b" and "b c". Counts without idf or scaling would be normalised; the first row's unit vector is
    // (2, 1)/sqrt(5), the second's (1, 1)/sqrt(2). Complement of class 0 is row 2: weights -ln((v + 1) / (sum + 3)).
    let texts = ["a a b".to_owned(), "b c".to_owned(), "a".to_owned()];
    let targets = Targets {
        classes: 2,
        multi_label: false,
        labels: vec![vec![0], vec![1], vec![0]],
        shares: Vec::new(),
        weights: vec![1.0; 3],
    };
    let workspace = Workspace::new(texts.iter().map(|text| text.as_str().into()).collect(), targets);
    let changes = [
        ("ngrams", json!("words1")),
        ("idf", json!("no")),
        ("term-frequency", json!("count")),
        ("smoothing", json!(1.0)),
        ("min-rows", json!("1")),
    ];
    let config = LinearConfig::from_parameters(&parameters("complement-bayes", &changes)).unwrap();
    let margins = workspace.margins(&config, &[0, 1], &[2], 1).unwrap();
    let (five, two) = (5.0_f64.sqrt(), 2.0_f64.sqrt());
    let expected = [-(1.0 / (2.0 / two + 3.0)).ln(), -((2.0 / five + 1.0) / (3.0 / five + 3.0)).ln()];
    // What all classes get alike decides nothing, and is left out.
    let (found, expected) = (f64::from(margins[0] - margins[1]), expected[0] - expected[1]);
    assert!((found - expected).abs() < 1e-5, "{margins:?}");
}

#[test]
fn the_same_arguments_give_the_same_bits_whatever_else_runs() {
    let (texts, labels) = rows(200);
    let workspace = workspace(&texts, &labels);
    let train: Vec<usize> = (0..150).collect();
    let eval: Vec<usize> = (150..200).collect();
    let config = LinearConfig::from_parameters(&parameters("svm", &[])).unwrap();
    let alone = workspace.margins(&config, &train, &eval, 3).unwrap();
    let together = std::thread::scope(|scope| {
        let run = || workspace.margins(&config, &train, &eval, 3).unwrap();
        let threads = [scope.spawn(run), scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().unwrap())
    });
    together.iter().for_each(|margins| assert_eq!(*margins, alone));
}

#[test]
fn texts_without_features_are_a_failed_trial() {
    let texts = [String::new(), " ".to_owned()];
    let targets = Targets {
        classes: 2,
        multi_label: false,
        labels: vec![vec![0], vec![1]],
        shares: Vec::new(),
        weights: vec![1.0; 2],
    };
    let workspace = Workspace::new(texts.iter().map(|text| text.as_str().into()).collect(), targets);
    let config = LinearConfig::from_parameters(&parameters("svm", &[])).unwrap();
    assert_eq!(workspace.margins(&config, &[0, 1], &[0], 1), Err(LinearError::NoFeatures { min_rows: 1 }));
}

#[test]
fn little_regularisation_keeps_the_training_rows_right() {
    // Sixty classes with a word each: nearly separable, so a larger cost must not make training rows wrong.
    let classes = 60;
    let mut random = Random::new(11);
    let labels: Vec<Vec<u32>> = (0..1200).map(|row| vec![row % classes]).collect();
    let texts: Vec<String> = labels
        .iter()
        .map(|label| {
            let noise: Vec<&str> = (0..5).map(|_| NOISE[random.below(8)]).collect();
            format!("{} word{} {}", NOISE[random.below(8)], label[0], noise.join(" "))
        })
        .collect();
    let targets = Targets {
        classes: classes as usize,
        multi_label: false,
        labels: labels.clone(),
        shares: Vec::new(),
        weights: vec![1.0; labels.len()],
    };
    let workspace = Workspace::new(texts.iter().map(|text| text.as_str().into()).collect(), targets);
    let rows: Vec<usize> = (0..labels.len()).collect();
    for solver in ["softmax", "logistic", "svm"] {
        for cost in [1.0, 8.0, 50.0] {
            let parameters = parameters(solver, &[("cost", json!(cost))]);
            let config = LinearConfig::from_parameters(&parameters).expect(solver);
            let margins = workspace.margins(&config, &rows, &rows, 1).expect(solver);
            let chunks = margins.chunks(classes as usize);
            let right = labels.iter().zip(chunks).filter(|(label, m)| label[0] as usize == best(m)).count();
            assert!(right * 100 >= 99 * labels.len(), "{solver}, cost {cost}: {right} of {}", labels.len());
        }
    }
}

#[test]
fn a_regression_drawn_to_naive_bayes_lies_between_the_two() {
    // Little cost leaves naive Bayes as it is, much makes it forget where it started.
    let (texts, labels) = rows(200);
    let workspace = workspace(&texts, &labels);
    let (train, eval): (Vec<usize>, Vec<usize>) = (0..200).partition(|row| row % 4 != 0);
    let margins = |solver: &str, changes: &[(&str, serde_json::Value)]| {
        let mut changes = changes.to_vec();
        changes.extend([("idf", json!("no")), ("smoothing", json!(0.1))]);
        let config = LinearConfig::from_parameters(&parameters(solver, &changes)).expect(solver);
        let margins = workspace.margins(&config, &train, &eval, 1).expect(solver);
        // Only differences between classes count.
        let centred =
            |row: &[f32]| row.iter().map(|m| m - row.iter().sum::<f32>() / 3.0).collect::<Vec<f32>>();
        margins.chunks(3).flat_map(centred).collect::<Vec<f32>>()
    };
    let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    let bayes: Vec<f32> = margins("multinomial-bayes", &[]).iter().map(|m| 0.5 * m).collect();
    let drawn = |cost: f64| margins("bayes-softmax", &[("cost", json!(cost)), ("bayes-share", json!(0.5))]);
    let (little, more) = (apart(&drawn(1e-5), &bayes), apart(&drawn(1.0), &bayes));
    assert!(little < 0.02 && more > 0.2, "{little}, {more}");
}

#[test]
fn a_row_of_which_annotators_disagree_counts_once_for_each_label() {
    let texts = ["good fine", "bad poor", "good bad", "good bad", "fine poor"];
    let targets = |labels: [u32; 5], shares: Vec<Vec<(u32, f32)>>, weights: [f32; 5]| Targets {
        classes: 2,
        multi_label: false,
        labels: labels.map(|label| vec![label]).to_vec(),
        shares,
        weights: weights.to_vec(),
    };
    let none = || vec![Vec::new(), Vec::new(), vec![(0, 0.75), (1, 0.25)]];
    // The third row as annotators left it, and as two rows that say one thing each.
    let shared = targets([0, 1, 0, 0, 0], none(), [1.0, 1.0, 2.0, 1.0, 1.0]);
    let apart = targets([0, 1, 0, 1, 0], Vec::new(), [1.0, 1.0, 1.5, 0.5, 1.0]);
    let margins = |targets: Targets, train: &[usize], solver: &str| {
        let workspace = Workspace::new(texts.map(std::borrow::Cow::Borrowed).to_vec(), targets);
        let changes = [
            ("idf", json!("no")),
            ("min-rows", json!("1")),
            ("ngrams", json!("words1")),
            ("class-weight", json!("none")),
        ];
        let config = LinearConfig::from_parameters(&parameters(solver, &changes)).expect(solver);
        workspace.margins(&config, train, &[0, 1, 2, 4], 3).expect(solver)
    };
    for solver in ["multinomial-bayes", "softmax", "logistic", "svm"] {
        let (left, right) =
            (margins(shared.clone(), &[0, 1, 2], solver), margins(apart.clone(), &[0, 1, 2, 3], solver));
        assert_eq!(left, right, "{solver}");
    }
}
