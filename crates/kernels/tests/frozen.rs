//! Weights in a mapped file: the same products, and nothing where the file is not what it should be.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use loquat_kernels::{
    Epilogue, Frozen, Kernels, Linear, Mapping, Matrix, PackedF32, PackedI8, Scratch, Weights,
};

const SHAPE: [usize; 2] = [37, 21];

fn mapping(bytes: &[u8]) -> Arc<Mapping> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Mapping::of(&file).unwrap()
}

/// The parts one after another, each at a cache line, and where they lie.
fn laid_out(weights: &Weights) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut bytes, mut places) = (Vec::new(), Vec::new());
    for part in weights.parts() {
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        places.push(bytes.len()..bytes.len() + part.len());
        bytes.extend_from_slice(part);
    }
    (bytes, places)
}

fn mapped(kernels: Kernels, like: &Weights, bytes: &[u8], places: &[Range<usize>]) -> Option<Weights> {
    let mapping = mapping(bytes);
    match like {
        Weights::F32(_) => PackedF32::mapped(kernels, SHAPE, &mapping, places).map(Weights::F32),
        Weights::I8(_) => PackedI8::mapped(kernels, SHAPE, &mapping, places).map(Weights::I8),
    }
}

fn product(kernels: Kernels, weights: Weights) -> Vec<f32> {
    let [outputs, inputs] = SHAPE;
    let input: Vec<f32> = (0..3 * inputs).map(|n| (n as f32 * 0.37).sin()).collect();
    let mut out = vec![0.0; 3 * outputs];
    let linear = Linear::new(weights, None);
    kernels.linear(Matrix::new(&input, inputs), &linear, Epilogue::NONE, &mut out, &mut Scratch::default());
    out
}

#[test]
fn mapped_weights_give_the_products_of_those_that_were_packed() {
    let [outputs, inputs] = SHAPE;
    let weights: Vec<f32> = (0..outputs * inputs).map(|n| (n as f32 * 0.11).cos()).collect();
    for kernels in Kernels::all() {
        let full = Weights::F32(PackedF32::new(kernels, &weights, outputs, inputs));
        let int8 = Weights::I8(PackedI8::quantise(kernels, &weights, outputs, inputs));
        for packed in [full, int8] {
            let (bytes, places) = laid_out(&packed);
            let shared = mapped(kernels, &packed, &bytes, &places).unwrap();
            let all: usize = places.iter().map(Range::len).sum();
            assert_eq!((packed.shared_bytes(), shared.shared_bytes()), (0, all), "{kernels:?}");
            assert_eq!(shared.parts(), packed.parts(), "{kernels:?}");

            let mut shorter = places.clone();
            shorter[0].end -= 4;
            assert!(mapped(kernels, &packed, &bytes, &shorter).is_none(), "{kernels:?}: too short");
            assert!(
                mapped(kernels, &packed, &bytes, &places[1..]).is_none(),
                "{kernels:?}: a part is missing"
            );
            let end = bytes.len() - 64;
            assert!(mapped(kernels, &packed, &bytes[..end], &places).is_none(), "{kernels:?}: cut");
            assert_eq!(product(kernels, shared), product(kernels, packed), "{kernels:?}");
        }
    }
}

#[test]
fn numbers_lie_in_a_mapping_whole_and_aligned() {
    let bytes: Vec<u8> = [1.0_f32, 2.0, 3.0].iter().flat_map(|number| number.to_le_bytes()).collect();
    let mapping = mapping(&bytes);
    let numbers: Frozen<f32> = Frozen::mapped(&mapping, 4..12).unwrap();
    assert_eq!((&*numbers, numbers.bytes(), numbers.shared_bytes()), (&[2.0, 3.0][..], &bytes[4..], 8));
    assert_eq!(numbers.clone().as_slice().as_ptr(), numbers.as_slice().as_ptr(), "a copy shares");
    for wrong in [2..10, 0..6, 8..16, 16..20] {
        assert!(Frozen::<f32>::mapped(&mapping, wrong.clone()).is_none(), "{wrong:?}");
    }
    assert_eq!(Frozen::from(vec![1_i8, 2]).shared_bytes(), 0);
}
