//! The blocks of a trunk on a GPU: their values go there once a step, their gradients come back after each pass.

use std::sync::OnceLock;

pub(crate) use loquat_gpu::Kept as KeptOnGpu;
use loquat_gpu::{Device, GpuError, Shape, Stack};
use loquat_kernels::Activation;

use crate::block::Block;
use crate::dropout::Dropout;
use crate::error::NnError;
use crate::rows::add;

/// The GPU of this machine.
#[derive(Debug, Clone)]
pub struct Gpu(Device);

/// Blocks whose values lie on a GPU too.
#[derive(Debug, Clone)]
pub(crate) struct OnGpu {
    stack: Stack,
    /// The first thing that went wrong; from then on, numbers are none.
    failure: OnceLock<GpuError>,
}

impl Gpu {
    /// Finds it.
    ///
    /// # Errors
    /// When this build computes on none, or no driver offers one.
    pub fn find() -> Result<Self, NnError> {
        Ok(Self(Device::find()?))
    }
}

impl OnGpu {
    pub(crate) fn new(gpu: &Gpu, blocks: &[Block]) -> Result<Self, NnError> {
        let stack = Stack::new(&gpu.0, shape_of(blocks), &values(blocks))?;
        Ok(Self { stack, failure: OnceLock::new() })
    }

    /// What went wrong.
    pub(crate) fn failure(&self) -> Option<NnError> {
        self.failure.get().cloned().map(NnError::from)
    }

    /// Brings the values there as they are now.
    pub(crate) fn upload(&mut self, blocks: &[Block]) {
        if let Err(error) = self.stack.upload(&values(blocks)) {
            self.failed(error);
        }
    }

    /// The last states, `[tokens, hidden]`, and what to keep; of a pass that failed, no numbers and nothing.
    pub(crate) fn forward(
        &self,
        states: &[f32],
        lengths: &[usize],
        dropout: Dropout,
    ) -> (Vec<f32>, Option<KeptOnGpu>) {
        let drawn = loquat_gpu::Dropout { share: dropout.share, seed: dropout.seed };
        match self.stack.forward_kept(states, lengths, drawn) {
            Ok((states, kept)) => (states, Some(kept)),
            Err(error) => {
                self.failed(error);
                (vec![f32::NAN; states.len()], None)
            }
        }
    }

    /// Adds the gradients of the blocks' parameters; gives those of the states that went in.
    pub(crate) fn backward(
        &self,
        kept: Option<&KeptOnGpu>,
        gradients: &[f32],
        blocks: &mut [Block],
    ) -> Vec<f32> {
        let nothing = || vec![f32::NAN; gradients.len()];
        let Some(kept) = kept else { return nothing() };
        match self.stack.backward(kept, gradients) {
            Ok((of_states, of_parts)) => {
                let parameters = blocks.iter_mut().flat_map(Block::parameters_mut);
                parameters.zip(&of_parts).for_each(|(one, gradient)| add(gradient, &mut one.gradient));
                of_states
            }
            Err(error) => {
                self.failed(error);
                nothing()
            }
        }
    }

    fn failed(&self, error: GpuError) {
        self.failure.get_or_init(|| error);
    }
}

/// The parameters in the order of [`loquat_gpu::PARTS`], which is that of [`Block::parameters`].
fn values(blocks: &[Block]) -> Vec<&[f32]> {
    blocks.iter().flat_map(Block::parameters).map(|one| one.values.as_slice()).collect()
}

/// Sizes of the blocks; those of nothing where there is none.
fn shape_of(blocks: &[Block]) -> Shape {
    let first = blocks.first();
    Shape {
        hidden: first.map_or(0, |block| block.output.weight.rows()),
        heads: first.map_or(1, |block| block.heads),
        intermediate: first.map_or(0, |block| block.up.weight.rows()),
        epsilon: first.map_or(0.0, |block| block.output_norm.epsilon),
        activation: first.map_or(Activation::None, |block| block.activation),
    }
}

#[cfg(test)]
mod tests {
    use loquat_kernels::{Kernels, Pooling};
    use loquat_models::Checkpoint;

    use super::*;
    use crate::adamw::AdamW;
    use crate::classifier::{Example, Pass, TextClassifier};
    use crate::fine_tune::{FineTune, Interrupt, Outcome, Watch};
    use crate::learner::Learner;
    use crate::loss::Targets;
    use crate::schedule::Schedule;

    fn model(name: &str) -> TextClassifier {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/reference");
        let checkpoint = Checkpoint::open(&folder.join(name)).unwrap();
        let weights = (0..3 * 16).map(|place| ((place * 7 % 13) as f32 - 6.0) / 8.0).collect();
        let head = (weights, vec![0.1, -0.2, 0.0]);
        let (pooling, targets) = (Some(Pooling::Mean), Targets::SingleLabel);
        TextClassifier::new(Kernels::detect(), &checkpoint, pooling, targets, head).unwrap()
    }

    fn examples() -> Vec<Example> {
        let example = |number: u32| Example {
            ids: (0..4 + number % 9).map(|place| 5 + (place * 7 + number * 3) % 40).collect(),
            type_ids: vec![0; 4 + number as usize % 9],
            labels: vec![number % 3],
            shares: Vec::new(),
            words: Vec::new(),
            weight: 1.0,
            taught: None,
        };
        (0..24).map(example).collect()
    }

    /// Without dropout, the loss and every gradient are those of the processor.
    #[test]
    fn gradients_are_those_of_the_processor() {
        let gpu = Gpu::find().unwrap();
        for name in ["bert-embedding", "roberta-sequence", "distilbert-tokens"] {
            let (mut here, mut there) = (model(name), model(name).on(Some(&gpu)).unwrap());
            let examples = examples();
            let all: Vec<&Example> = examples.iter().collect();
            let pass = Pass { dropout: 0.0, seed: 5, total: 1.0 };
            let (known, found) = (here.learn(&all, pass), there.learn(&all, pass));
            assert!((known - found).abs() < 1e-3 * known, "{name}: {found} should be {known}");
            for (known, found) in here.parameters().into_iter().zip(there.parameters()) {
                let largest = known.gradient.iter().fold(1e-2_f32, |most, value| most.max(value.abs()));
                for (known, found) in known.gradient.iter().zip(&found.gradient) {
                    assert!((known - found).abs() < 2e-3 * largest, "{name}: {found} should be {known}");
                }
            }
            assert!(there.failure().is_none());
        }
    }

    /// Dropout is drawn on the device: gradients differ with the seed alone.
    #[test]
    fn dropout_follows_from_its_seed() {
        let gpu = Gpu::find().unwrap();
        let examples = examples();
        let all: Vec<&Example> = examples.iter().collect();
        let loss = |seed| {
            let pass = Pass { dropout: 0.3, seed, total: 1.0 };
            model("bert-embedding").on(Some(&gpu)).unwrap().learn(&all, pass)
        };
        assert!((loss(5) - loss(5)).abs() < 1e-4);
        assert!((loss(5) - loss(6)).abs() > 1e-3);
    }

    struct Alone;

    impl Watch for Alone {
        fn step(&self) -> Result<(), Interrupt> {
            Ok(())
        }

        fn score(&self, _: &TextClassifier) -> Option<f64> {
            None
        }
    }

    fn trained(mut model: TextClassifier) -> (Outcome, Vec<f32>) {
        let plan = FineTune {
            epochs: 4,
            run: 4,
            batch: 8,
            schedule: Schedule { rate: 2e-3, warm_up: 0.1 },
            optimiser: AdamW::default(),
            dropout: 0.0,
            patience: 4,
            seed: 3,
            checkpoint_every: 100,
            keep: false,
        };
        let outcome = plan.train(&mut model, &examples(), (None, ""), &Alone).unwrap().unwrap();
        (outcome, model.logits(&examples()))
    }

    #[test]
    fn a_training_goes_as_it_goes_on_the_processor() {
        let gpu = Gpu::find().unwrap();
        let (here, known) = trained(model("bert-embedding"));
        let (there, found) = trained(model("bert-embedding").on(Some(&gpu)).unwrap());
        assert!(here.epochs[3].loss < 0.9 * here.epochs[0].loss, "{here:?}");
        for (here, there) in here.epochs.iter().zip(&there.epochs) {
            assert!((here.loss - there.loss).abs() < 0.02 * here.loss, "{here:?} {there:?}");
        }
        for (known, found) in known.iter().zip(&found) {
            assert!((known - found).abs() < 0.1, "{found} should be {known}");
        }
    }
}
