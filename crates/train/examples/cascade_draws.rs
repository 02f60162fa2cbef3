//! Calibrates a cascade on many random draws of its rows, and judges each on the rows not drawn: the figure `cascade`.
//!
//! Usage: `cascade_draws CHEAP-STORE CHEAP DEAR-STORE DEAR ROWS.jsonl AGREEMENT CONFIDENCE DRAWS`, where a store is a folder,
//! a model `name:version` or `name@alias`, and a row has a `text`. Both versions answer every row once. Prints one JSON object:
//!
//! ```text
//! {"rows": N, "drawn": N, "agreement": A, "missed": M, "missedOfAll": M, "early": [..], "found": [..], "saved": [..],
//!  "cheapSeconds": S, "dearSeconds": S, "cascadeSeconds": S}
//! ```
//!
//! Agreement is that of all rows with the cheap version alone. Of every draw, half of the rows, `missed` counts those whose
//! agreement on the other half is below the stated one, `missedOfAll` those on all rows; `found` and `saved` are the other half's.
//! The cascade's seconds are measured with the first draw's threshold on every row.

use std::path::Path;
use std::time::Instant;

use loquat_infer::{Input, Pipeline, agree, answer_in_turn, check_cascade};
use loquat_spec::PredictParameters;
use loquat_store::Store;
use loquat_train::{CascadeRow, CascadeTarget, choose_threshold};
use serde_json::{Value, json};

type Problem = Box<dyn std::error::Error>;

/// Inputs predicted at once.
const CHUNK: usize = 256;

/// What the draws came to.
#[derive(Default)]
struct Draws {
    missed: usize,
    missed_of_all: usize,
    early: Vec<f64>,
    found: Vec<f64>,
    saved: Vec<f64>,
}

fn main() -> Result<(), Problem> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [cheap_store, cheap_name, dear_store, dear_name, rows, agreement, confidence, draws] =
        arguments.as_slice()
    else {
        return Err(
            "usage: cascade_draws CHEAP-STORE CHEAP DEAR-STORE DEAR ROWS.jsonl AGREEMENT CONFIDENCE DRAWS"
                .into(),
        );
    };
    let load = |store: &str, model: &str| -> Result<Pipeline, Problem> {
        Ok(Pipeline::from_store(&Store::open(Path::new(store))?, &model.parse()?)?)
    };
    let (cheap, dear) = (load(cheap_store, cheap_name)?, load(dear_store, dear_name)?);
    check_cascade(&cheap, &dear)?;
    let target = CascadeTarget { agreement: agreement.parse()?, confidence: confidence.parse()? };
    let inputs = read(rows)?;
    let parameters = PredictParameters::default();
    let start = Instant::now();
    let mut early = Vec::new();
    for chunk in inputs.chunks(CHUNK) {
        early.extend(cheap.predict_sure(chunk, &parameters, 1)?);
    }
    let cheap_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut late = Vec::new();
    for chunk in inputs.chunks(CHUNK) {
        late.extend(dear.predict(chunk, &parameters, 1)?);
    }
    let dear_seconds = start.elapsed().as_secs_f64();
    let compared: Vec<CascadeRow> = early
        .iter()
        .zip(&late)
        .zip(&inputs)
        .map(|(((prediction, confidence), dear_prediction), input)| CascadeRow {
            confidence: *confidence,
            agrees: agree(dear.task(), prediction, dear_prediction),
            cost: dear.tokens(input, &parameters) as f64,
        })
        .collect();
    let seconds = (cheap_seconds, dear_seconds);
    let (drawn, first) = draw(&compared, target, (draws.parse()?, seconds))?;
    let start = Instant::now();
    for chunk in inputs.chunks(CHUNK) {
        answer_in_turn(&[(&cheap, first)], &dear, chunk, (&parameters, 1))?;
    }
    let cascade_seconds = start.elapsed().as_secs_f64();
    let agreeing = compared.iter().filter(|row| row.agrees).count();
    println!(
        "{}",
        json!({
            "rows": compared.len(), "drawn": compared.len() / 2,
            "agreement": agreeing as f64 / compared.len() as f64,
            "missed": drawn.missed, "missedOfAll": drawn.missed_of_all,
            "early": drawn.early, "found": drawn.found, "saved": drawn.saved,
            "cheapSeconds": cheap_seconds, "dearSeconds": dear_seconds, "cascadeSeconds": cascade_seconds,
        })
    );
    Ok(())
}

fn read(path: &str) -> Result<Vec<Input>, Problem> {
    let text = std::fs::read_to_string(path)?;
    text.lines()
        .map(|line| {
            let row: Value = serde_json::from_str(line)?;
            Ok(Input::new(row["text"].as_str().ok_or("a row has no text")?))
        })
        .collect()
}

/// Calibrates on half of the rows so many times, and gives the first threshold; the cheap version answers nothing where none is found.
fn draw(
    rows: &[CascadeRow],
    target: CascadeTarget,
    (draws, seconds): (usize, (f64, f64)),
) -> Result<(Draws, f32), Problem> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut state = 17;
    let mut drawn = Draws::default();
    let mut first = None;
    for _ in 0..draws {
        shuffle(&mut order, &mut state);
        let (half, rest) = order.split_at(rows.len() / 2);
        let pick = |places: &[usize]| places.iter().map(|place| rows[*place]).collect::<Vec<_>>();
        let chosen = choose_threshold(&pick(half), target, seconds)?;
        let threshold = chosen.map_or(f32::INFINITY, |chosen| chosen.threshold);
        first.get_or_insert(threshold);
        let (found, early, left) = judged(&pick(rest), threshold);
        drawn.missed += usize::from(found < target.agreement);
        drawn.missed_of_all += usize::from(judged(rows, threshold).0 < target.agreement);
        drawn.found.push(found);
        drawn.early.push(early);
        drawn.saved.push(1.0 - (seconds.0 + seconds.1 * left) / seconds.1);
    }
    Ok((drawn, first.unwrap_or(f32::INFINITY)))
}

/// Agreement, share answered early, and share of the dear version's cost that is left.
fn judged(rows: &[CascadeRow], threshold: f32) -> (f64, f64, f64) {
    let count = rows.len() as f64;
    let early = |row: &&CascadeRow| row.confidence >= threshold;
    let differing = rows.iter().filter(early).filter(|row| !row.agrees).count() as f64;
    let cost: f64 = rows.iter().map(|row| row.cost).sum();
    let left: f64 = rows.iter().filter(|row| !early(row)).map(|row| row.cost).sum();
    (1.0 - differing / count, rows.iter().filter(early).count() as f64 / count, left / cost)
}

/// Fisher and Yates, with splitmix64 (Steele et al. 2014).
fn shuffle(order: &mut [usize], state: &mut u64) {
    for last in (1..order.len()).rev() {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        order.swap(last, ((u128::from(z) * (last as u128 + 1)) >> 64) as usize);
    }
}
