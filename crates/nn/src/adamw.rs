//! AdamW (Loshchilov and Hutter 2019) with a clipped gradient and rates that fall with depth.

use rayon::prelude::*;

use crate::parameter::Parameter;

/// Numbers whose squares are summed in single precision.
const SUMMED: usize = 4096;
/// Numbers of a parameter that one task moves.
const MOVED: usize = 1 << 16;

/// The optimiser's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Share of the running mean of the gradient that a step keeps.
    pub mean: f32,
    /// The same of its square.
    pub square: f32,
    /// Added to the root of the mean square.
    pub epsilon: f32,
    /// How much weights are drawn towards zero, times the rate; not biases, norms and embeddings that no batch looked up.
    pub decay: f32,
    /// Longest gradient; a longer one is scaled down to it.
    pub clip: f32,
    /// Factor of the rate from one layer to the one below it (Howard and Ruder 2018).
    pub layer_decay: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { mean: 0.9, square: 0.999, epsilon: 1e-8, decay: 0.01, clip: 1.0, layer_decay: 0.9 }
    }
}

impl AdamW {
    /// Moves `parameters` by one step, the `number`th from one, and forgets their gradients. `None` when the gradient is not
    /// finite; then nothing was moved.
    pub(crate) fn step(&self, parameters: Vec<&mut Parameter>, rate: f32, number: usize) -> Option<()> {
        let lengths: Vec<f64> = parameters.par_iter().map(|one| squares(one)).collect();
        let length = lengths.iter().sum::<f64>().sqrt();
        if !length.is_finite() {
            return None;
        }
        let clip = if length > f64::from(self.clip) { (f64::from(self.clip) / length) as f32 } else { 1.0 };
        let correct = |kept: f32| 1.0 - f64::from(kept).powi(number as i32);
        let corrections = (correct(self.mean) as f32, correct(self.square) as f32);
        parameters.into_par_iter().for_each(|parameter| {
            let rate = rate * self.layer_decay.powi(parameter.depth as i32);
            let decay = if parameter.decays { rate * self.decay } else { 0.0 };
            let own = Own { clip, rate, decay, corrections };
            for range in parameter.active() {
                let [mean, square] = &mut parameter.moments;
                let parts = parameter.values[range.clone()].par_chunks_mut(MOVED);
                let gradients = parameter.gradient[range.clone()].par_chunks(MOVED);
                let moments =
                    mean[range.clone()].par_chunks_mut(MOVED).zip(square[range].par_chunks_mut(MOVED));
                parts.zip(gradients).zip(moments).for_each(|((values, gradients), (mean, square))| {
                    self.move_part(own, (values, gradients), (mean, square));
                });
            }
            parameter.clear();
        });
        Some(())
    }

    fn move_part(
        &self,
        own: Own,
        (values, gradients): (&mut [f32], &[f32]),
        moments: (&mut [f32], &mut [f32]),
    ) {
        let Own { clip, rate, decay, corrections: (of_mean, of_square) } = own;
        let (means, squares) = moments;
        for ((value, gradient), (mean, square)) in
            values.iter_mut().zip(gradients).zip(means.iter_mut().zip(squares))
        {
            let gradient = gradient * clip;
            *mean = self.mean * *mean + (1.0 - self.mean) * gradient;
            *square = self.square * *square + (1.0 - self.square) * gradient * gradient;
            let step = (*mean / of_mean) / ((*square / of_square).sqrt() + self.epsilon);
            *value -= decay * *value + rate * step;
        }
    }
}

/// What a step does to one parameter.
#[derive(Clone, Copy)]
struct Own {
    clip: f32,
    rate: f32,
    decay: f32,
    /// Of running means that began at zero.
    corrections: (f32, f32),
}

/// Sum of the squares of a gradient, in an order that does not depend on threads.
fn squares(parameter: &Parameter) -> f64 {
    const LANES: usize = 16;
    let mut total = 0.0;
    for range in parameter.active() {
        for part in parameter.gradient[range].chunks(SUMMED) {
            let mut lanes = [0.0_f32; LANES];
            for numbers in part.chunks(LANES) {
                lanes.iter_mut().zip(numbers).for_each(|(lane, number)| *lane += number * number);
            }
            total += lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>();
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(values: &[f32]) -> Parameter {
        Parameter::new(vec!["x".to_owned()], [1, values.len()], values.to_vec(), 0)
    }

    #[test]
    fn the_first_steps_are_those_of_the_paper() {
        let adamw = AdamW { clip: 1e9, decay: 0.0, ..AdamW::default() };
        let mut one = parameter(&[1.0, -2.0]);
        one.gradient = vec![0.5, -4.0];
        adamw.step(vec![&mut one], 0.1, 1).unwrap();
        // The corrected moments of a first step are the gradient and its square: a step of the rate.
        assert!((one.values[0] - 0.9).abs() < 1e-6 && (one.values[1] + 1.9).abs() < 1e-6, "{:?}", one.values);
        assert_eq!(one.gradient, [0.0, 0.0]);
        one.gradient = vec![-0.5, 0.0];
        adamw.step(vec![&mut one], 0.1, 2).unwrap();
        // By hand: mean (0.045 - 0.05) / 0.19, square 0.25.
        let expected = 0.9 - 0.1 * ((0.9 * 0.05 - 0.05) / 0.19) / 0.5;
        assert!((one.values[0] - expected).abs() < 1e-6, "{:?}", one.values);
    }

    #[test]
    fn a_long_gradient_is_shortened_and_one_that_is_no_number_moves_nothing() {
        let adamw = AdamW { clip: 1.0, ..AdamW::default() };
        let (mut long, mut short) = (parameter(&[0.0; 2]), parameter(&[0.0; 2]));
        long.gradient = vec![3000.0, 4000.0];
        short.gradient = vec![0.6, 0.8];
        adamw.step(vec![&mut long], 0.1, 1).unwrap();
        adamw.step(vec![&mut short], 0.1, 1).unwrap();
        let of = |one: &Parameter| one.moments.concat();
        let alike = of(&long).iter().zip(of(&short)).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(alike, "{:?} {:?}", long.moments, short.moments);
        long.gradient[0] = f32::NAN;
        let before = long.values.clone();
        assert_eq!(adamw.step(vec![&mut long], 0.1, 2), None);
        assert_eq!(long.values, before);
    }

    #[test]
    fn only_rows_that_were_looked_up_move_and_deeper_ones_less() {
        let adamw = AdamW { layer_decay: 0.5, decay: 0.0, ..AdamW::default() };
        let table = Parameter::new(vec!["t".to_owned()], [3, 2], vec![1.0; 6], 2);
        let mut table = table.into_table();
        table.add_to_row(1, &[0.1, -0.1]);
        adamw.step(vec![&mut table], 0.4, 1).unwrap();
        let expected = [1.0, 1.0, 0.9, 1.1, 1.0, 1.0];
        assert!(
            table.values.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-5),
            "{:?}",
            table.values
        );
        assert!(table.active().is_empty());
    }
}
