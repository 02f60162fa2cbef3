//! Rust engines on all-MiniLM-L6-v2, one thread each.
//!
//! Usage: `encoder-rust-peers ONNX_FOLDER MODEL_FOLDER`. The first line printed names what there is, `{"variants": {NAME:
//! VERSION}}`; then each line read is a question, `{"variant": NAME, "batch": IDS, "repeats": N}`, all sequences as long, and
//! each line printed its answer, `{"seconds": [...], "vectors": [...]}`. Seconds are processor time of the whole process, without
//! pooling.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use rten::{Model, NodeId};
use rten_tensor::prelude::*;
use rten_tensor::NdTensor;
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use serde_json::json;

type Problem = Box<dyn Error>;

#[derive(Deserialize)]
struct Question {
    variant: String,
    batch: Vec<Vec<u32>>,
    repeats: usize,
}

/// States of a batch, `[sequences * tokens * width]`.
trait Engine {
    fn run(&self, batch: &[Vec<u32>]) -> Result<Vec<f32>, Problem>;
}

fn main() -> Result<(), Problem> {
    // SAFETY: no thread but this one has been started.
    unsafe {
        std::env::set_var("RTEN_NUM_THREADS", "1");
        std::env::set_var("RAYON_NUM_THREADS", "1");
    }
    let arguments: Vec<String> = std::env::args().collect();
    let [_, onnx, model] = &arguments[..] else {
        return Err("usage: encoder-rust-peers ONNX_FOLDER MODEL_FOLDER".into());
    };
    let mut engines: BTreeMap<&str, Box<dyn Engine>> = BTreeMap::new();
    engines.insert("rten-f32", Box::new(Rten::load(&Path::new(onnx).join("plain.onnx"))?));
    engines.insert("rten-int8", Box::new(Rten::load(&Path::new(onnx).join("plain-int8.onnx"))?));
    engines.insert("candle-f32", Box::new(Candle::load(Path::new(model))?));
    let versions = json!({ "rten-f32": "rten 0.27.0", "rten-int8": "rten 0.27.0", "candle-f32": "candle 0.11.1 x86-v4" });
    let mut answers = std::io::stdout().lock();
    writeln!(answers, "{}", json!({ "variants": versions, "missing": {} }))?;
    answers.flush()?;
    for line in std::io::stdin().lock().lines() {
        let question: Question = serde_json::from_str(&line?)?;
        let engine = engines.get(question.variant.as_str()).ok_or("no such variant")?;
        let (mut seconds, mut states) = (Vec::new(), Vec::new());
        for _ in 0..question.repeats {
            let start = processor_seconds();
            states = engine.run(&question.batch)?;
            seconds.push(processor_seconds() - start);
        }
        let vectors = pooled(&states, question.batch.len(), question.batch[0].len());
        writeln!(answers, "{}", json!({ "seconds": seconds, "vectors": vectors }))?;
        answers.flush()?;
    }
    Ok(())
}

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The mean of each sequence's states, as long as one.
fn pooled(states: &[f32], sequences: usize, tokens: usize) -> Vec<Vec<f32>> {
    let width = states.len() / (sequences * tokens);
    let sequence = |states: &[f32]| {
        let mut mean = vec![0.0; width];
        states.chunks(width).for_each(|state| mean.iter_mut().zip(state).for_each(|(sum, number)| *sum += number));
        let length = mean.iter().map(|number| number * number).sum::<f32>().sqrt();
        mean.iter().map(|number| number / length).collect()
    };
    states.chunks(tokens * width).map(sequence).collect()
}

struct Rten {
    model: Model,
    inputs: [NodeId; 3],
    output: NodeId,
}

impl Rten {
    fn load(path: &Path) -> Result<Self, Problem> {
        let model = rten::ModelOptions::with_all_ops().prepack_weights(true).load_file(path)?;
        let id = |name| model.node_id(name);
        let inputs = [id("input_ids")?, id("attention_mask")?, id("token_type_ids")?];
        let output = id("states")?;
        Ok(Self { model, inputs, output })
    }
}

impl Engine for Rten {
    fn run(&self, batch: &[Vec<u32>]) -> Result<Vec<f32>, Problem> {
        let shape = [batch.len(), batch[0].len()];
        let ids = batch.iter().flatten().map(|id| *id as i32).collect::<Vec<_>>();
        let filled = |value| NdTensor::<i32, 2>::full(shape, value);
        let [first, second, third] = self.inputs;
        let inputs = vec![
            (first, NdTensor::from_data(shape, ids).into()),
            (second, filled(1).into()),
            (third, filled(0).into()),
        ];
        let [states] = self.model.run_n(inputs, [self.output], None)?;
        let states: NdTensor<f32, 3> = states.try_into()?;
        Ok(states.to_vec())
    }
}

struct Candle {
    model: BertModel,
}

impl Candle {
    fn load(folder: &Path) -> Result<Self, Problem> {
        let config: Config = serde_json::from_str(&std::fs::read_to_string(folder.join("config.json"))?)?;
        let weights = std::fs::read(folder.join("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        Ok(Self { model: BertModel::load(weights, &config)? })
    }
}

impl Engine for Candle {
    fn run(&self, batch: &[Vec<u32>]) -> Result<Vec<f32>, Problem> {
        let ids = Tensor::new(batch.to_vec(), &Device::Cpu)?;
        let states = self.model.forward(&ids, &ids.zeros_like()?, None)?;
        Ok(states.flatten_all()?.to_vec1()?)
    }
}
