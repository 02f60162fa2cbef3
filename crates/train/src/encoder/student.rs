//! Students: backbones with a third of their layers, which learn what a teacher says besides the labels.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use loquat_infer::{Input, Kernels, Pipeline};
use loquat_models::Checkpoint;
use loquat_nn::{Example, Taught};
use loquat_spec::Task;

use super::backbone::{Backbone, Loaded};
use super::features::{read, write};
use super::starts::derived;
use crate::error::{Halt, TrainError};
use crate::origins::Teacher;
use crate::problem::answer;
use crate::random::mix;
use crate::report_origins::DistillationReport;
use crate::request::sha256;
use crate::run::Run;

/// Of so many layers a student has one.
const OF_LAYERS: usize = 3;
/// Fewest layers of a student.
const LEAST_LAYERS: usize = 2;
/// Share of the labels in what a student learns of a labelled text.
const HARD: f32 = 0.5;
/// Most unlabelled texts for each labelled one.
const MOST_UNLABELLED: usize = 4;
/// Probabilities nearer to 0 and 1 are all the same to a student.
const NEAREST: f32 = 1e-6;
/// Texts that are timed, and how often; the fastest round counts.
const TIMED: usize = 1000;
const ROUNDS: usize = 3;
/// Index that names the choice of unlabelled texts.
const CHOSEN: u64 = 0x57D7;

/// The student that starts from `backbone`.
pub(super) fn of(run: &Run<'_>, backbone: &Backbone) -> Result<Backbone, Halt> {
    let checkpoint = Checkpoint::open(&backbone.folder).map_err(TrainError::from)?;
    let layers = checkpoint.layers().unwrap_or(0);
    let kept = layers_of(layers);
    if kept.len() >= layers {
        return Ok(backbone.clone());
    }
    let what = format!("{} of its {layers} layers", kept.len());
    derived(run, backbone, (&what, &format!("layers {kept:?}")), || Ok(checkpoint.with_layers(&kept)))
}

/// The layers of a student: the first and the last, and others evenly between them.
fn layers_of(layers: usize) -> Vec<usize> {
    let count = (layers / OF_LAYERS).max(LEAST_LAYERS).min(layers);
    let last = layers.saturating_sub(1);
    (0..count).map(|place| place * last / (count - 1).max(1)).collect()
}

/// What the teacher says of the rows that are trained on, in their order.
pub(super) fn lessons(run: &Run<'_>, teacher: &Teacher) -> Result<Vec<Taught>, Halt> {
    let inputs: Vec<Input> = run.problem.pool.iter().map(|row| run.problem.input(*row)).collect();
    let logits = logits(run, teacher, &inputs)?;
    Ok(logits.into_iter().map(|logits| Taught { logits, hard: HARD }).collect())
}

/// The unlabelled texts as examples of what the teacher says.
pub(super) fn unlabelled(run: &Run<'_>, teacher: &Teacher, loaded: &Loaded) -> Result<Vec<Example>, Halt> {
    let mut inputs = inputs(run);
    inputs.truncate(MOST_UNLABELLED * run.problem.pool.len());
    let logits = logits(run, teacher, &inputs)?;
    let texts: Vec<(&str, Option<&str>)> =
        inputs.iter().map(|input| (input.text.as_str(), input.second.as_deref())).collect();
    let threads = run.pool.current_num_threads();
    let encoded = loaded.tokenizer.encode_batch(&texts, Some(loaded.max_tokens), threads);
    let encoded = encoded.map_err(|source| TrainError::Tokenizer { source })?;
    let example = |(encoding, logits): (loquat_text::Encoding, Vec<f32>)| Example {
        ids: encoding.ids,
        type_ids: encoding.type_ids,
        labels: Vec::new(),
        shares: Vec::new(),
        words: Vec::new(),
        weight: 1.0,
        taught: Some(Taught { logits, hard: 0.0 }),
    };
    Ok(encoded.into_iter().zip(logits).map(example).collect())
}

/// The unlabelled rows that are of the task's kind, in an order that follows from the seed.
pub(super) fn inputs(run: &Run<'_>) -> Vec<Input> {
    let Some(table) = &run.request.origins.unlabelled else { return Vec::new() };
    let pairs = run.problem.table.task == Task::TextPairClassification;
    // Texts of test rows stay sealed, wherever else they stand.
    let sealed: BTreeSet<u64> = run.problem.test.iter().map(|row| run.problem.table.rows[*row].key).collect();
    let usable = |row: &&loquat_data::Row| row.part != loquat_data::Part::Test && !sealed.contains(&row.key);
    let mut rows: Vec<&loquat_data::Row> = table.rows.iter().filter(usable).collect();
    rows.sort_by_key(|row| (mix(run.seed(), &[CHOSEN, row.key]), row.number));
    let input = |row: &loquat_data::Row| match &row.input {
        loquat_data::Input::Pair { premise, hypothesis } => pairs.then(|| Input::pair(premise, hypothesis)),
        loquat_data::Input::Text(text) => (!pairs).then(|| Input::new(text)),
        _ => None,
    };
    rows.into_iter().filter_map(input).collect()
}

/// The teacher's logits of `inputs`, in the order of the data's labels: computed once by the engine that serves, and kept.
fn logits(run: &Run<'_>, teacher: &Teacher, inputs: &[Input]) -> Result<Vec<Vec<f32>>, Halt> {
    let width = run.problem.classes;
    let file = run.request.cache_dir.as_ref().map(|folder| {
        let texts: Vec<&str> = inputs
            .iter()
            .flat_map(|input| [input.text.as_str(), input.second.as_deref().unwrap_or_default()])
            .collect();
        let labels = run.problem.table.labels.join("\n");
        let (digest, path) = (&teacher.digest, Kernels::detect().path());
        let key = sha256(format!("teacher 1\n{digest}\n{path}\n{labels}\n{texts:?}").as_bytes());
        folder.join("teachers").join(format!("{key}.f32"))
    });
    let known = file.as_deref().and_then(|file| read(file, inputs.len() * width));
    let values = match known {
        Some(values) => values,
        None => {
            run.request.progress.stage("asking the teacher", None);
            let values = ask(run, teacher, inputs)?;
            if let Some(file) = &file {
                write(file, &values)?;
            }
            values
        }
    };
    Ok(values.chunks_exact(width.max(1)).map(<[f32]>::to_vec).collect())
}

fn ask(run: &Run<'_>, teacher: &Teacher, inputs: &[Input]) -> Result<Vec<f32>, TrainError> {
    let model = Pipeline::load(&teacher.folder)?;
    let order = order(run, teacher, &model)?;
    let outputs = model.outputs(inputs, run.pool.current_num_threads())?;
    let logit = |probability: f32| {
        let probability = probability.clamp(NEAREST, 1.0 - NEAREST);
        match run.problem.multi_label {
            true => libm::logf(probability / (1.0 - probability)),
            false => libm::logf(probability),
        }
    };
    Ok(outputs.iter().flat_map(|scores| order.iter().map(|place| logit(scores[*place]))).collect())
}

/// For each label of the data its place among those of the teacher.
pub(super) fn order(run: &Run<'_>, teacher: &Teacher, model: &Pipeline) -> Result<Vec<usize>, TrainError> {
    let table = run.problem.table;
    if model.task() != table.task {
        let problem = format!("answers {}, the data is for {}", model.task().as_str(), table.task.as_str());
        return Err(TrainError::Teacher { name: teacher.name.clone(), problem });
    }
    let places: BTreeMap<&str, usize> = model.labels().iter().map(String::as_str).zip(0..).collect();
    let place = |label: &String| {
        let problem = format!("does not know the label {label:?}");
        let unknown = || TrainError::Teacher { name: teacher.name.clone(), problem };
        places.get(label.as_str()).copied().ok_or_else(unknown)
    };
    table.labels.iter().map(place).collect()
}

/// How the model in `student` compares with the teacher on held-out rows.
pub(crate) fn agreement(run: &Run<'_>, student: &Pipeline) -> Result<Option<DistillationReport>, TrainError> {
    let Some(teacher) = &run.request.origins.teacher else { return Ok(None) };
    let problem = &run.problem;
    let model = Pipeline::load(&teacher.folder)?;
    let order = order(run, teacher, &model)?;
    let (rows, on) = match problem.test.is_empty() {
        true => (&problem.pool, "train"),
        false => (&problem.test, "test"),
    };
    let inputs: Vec<Input> = rows.iter().map(|row| problem.input(*row)).collect();
    let threads = run.pool.current_num_threads();
    let of_teacher = model.manifest().thresholds.as_ref();
    let of_teacher: Option<Vec<f32>> =
        of_teacher.map(|thresholds| order.iter().map(|place| thresholds[*place]).collect());
    let says = |scores: &Vec<f32>| -> Vec<u32> {
        let scores: Vec<f32> = order.iter().map(|place| scores[*place]).collect();
        answer(&scores, of_teacher.as_deref())
    };
    let wanted: Vec<Vec<u32>> = model.outputs(&inputs, threads)?.iter().map(says).collect();
    let thresholds = student.manifest().thresholds.as_deref();
    let found = student.outputs(&inputs, threads)?;
    let same = found.iter().zip(&wanted).filter(|(scores, wanted)| answer(scores, thresholds) == **wanted);
    let some = &inputs[..inputs.len().min(TIMED)];
    let (mut fastest, mut of_model) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        fastest = fastest.min(microseconds(student, some)?);
        of_model = of_model.min(microseconds(&model, some)?);
    }
    Ok(Some(DistillationReport {
        teacher: teacher.name.clone(),
        same_data: teacher.data_hash == problem.table.hash,
        unlabelled: self::inputs(run).len().min(MOST_UNLABELLED * problem.pool.len()),
        rows: rows.len(),
        on: on.to_owned(),
        agreement: same.count() as f64 / rows.len().max(1) as f64,
        microseconds_per_text: fastest,
        teacher_microseconds_per_text: of_model,
    }))
}

/// Time of a text among many, on one thread.
fn microseconds(model: &Pipeline, inputs: &[Input]) -> Result<f64, TrainError> {
    let start = Instant::now();
    model.outputs(inputs, 1)?;
    Ok(start.elapsed().as_secs_f64() * 1e6 / inputs.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_have_a_third_of_the_layers_and_at_least_two() {
        assert_eq!(layers_of(6), [0, 5]);
        assert_eq!(layers_of(12), [0, 3, 7, 11]);
        assert_eq!(layers_of(2), [0, 1]);
        assert_eq!(layers_of(1), [0]);
    }
}
