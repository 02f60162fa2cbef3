//! A warm call allocates nothing.

#![expect(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use loquat_kernels::{
    Activation, Attention, Epilogue, Kernels, LayerNorm, Linear, Matrix, PackedF32, PackedI8, Pooling,
    Rotary, Scratch, Weights,
};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WIDTH: usize = 40;
const LENGTHS: [usize; 3] = [5, 1, 17];
const TOKENS: usize = 23;

struct Buffers {
    joint: Vec<f32>,
    hidden: Vec<f32>,
    pooled: Vec<f32>,
    scratch: Scratch,
}

#[test]
fn warm_calls_allocate_nothing() {
    let numbers = |count: usize| (0..count).map(|n| (n % 13) as f32 - 6.0).collect::<Vec<f32>>();
    for kernels in Kernels::all() {
        let (weights, bias) = (numbers(3 * WIDTH * WIDTH), numbers(3 * WIDTH));
        let single = Weights::F32(PackedF32::new(kernels, &weights, 3 * WIDTH, WIDTH));
        let int8 = Weights::I8(PackedI8::quantise(kernels, &weights, 3 * WIDTH, WIDTH));
        let layers = [single, int8].map(|weights| Linear::new(weights, Some(bias.clone())));
        let norm = LayerNorm { weight: numbers(WIDTH), bias: None, epsilon: 1e-5 };
        let rotary = Rotary::new(10_000.0, WIDTH / 2, 17);
        let mut buffers = Buffers {
            joint: numbers(TOKENS * 3 * WIDTH),
            hidden: numbers(TOKENS * WIDTH),
            pooled: numbers(3 * WIDTH),
            scratch: Scratch::new(),
        };
        let mut call =
            || layers.iter().for_each(|layer| forward(kernels, layer, &norm, &rotary, &mut buffers));
        call();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        call();
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "{kernels:?}");
    }
}

fn forward(kernels: Kernels, layer: &Linear, norm: &LayerNorm, rotary: &Rotary, buffers: &mut Buffers) {
    let Buffers { joint, hidden, pooled, scratch } = buffers;
    let gelu = Epilogue::activation(Activation::Gelu);
    kernels.linear(Matrix::new(hidden, WIDTH), layer, gelu, joint, scratch);
    kernels.rotate(rotary, joint, 3 * WIDTH, 2 * WIDTH, &LENGTHS);
    let attention = Attention::joint(Matrix::new(joint, 3 * WIDTH), &LENGTHS, 2);
    kernels.attention(&attention, hidden, scratch);
    kernels.layer_norm_in_place(norm, hidden);
    kernels.softmax(hidden, WIDTH);
    kernels.pool(Pooling::Mean, hidden, WIDTH, &LENGTHS, pooled);
    kernels.normalise_length(pooled, WIDTH);
}
