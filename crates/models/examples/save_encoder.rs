//! Reads an encoder's folder and writes it again: `save_encoder FROM TO [int8]`.

use std::path::Path;

use loquat_models::{Checkpoint, ModelError};

fn main() -> Result<(), ModelError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (from, to, quantise) = match &arguments[..] {
        [from, to] => (from, to, false),
        [from, to, precision] if precision == "int8" => (from, to, true),
        _ => {
            eprintln!("usage: save_encoder FROM TO [int8]");
            std::process::exit(2);
        }
    };
    let checkpoint = Checkpoint::open(Path::new(from))?;
    let checkpoint = if quantise { checkpoint.quantised()? } else { checkpoint };
    checkpoint.save(Path::new(to))
}
