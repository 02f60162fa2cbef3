//! Times a tokenizer on the lines of a file, by its own path and by the library: `encode_speed FOLDER MODEL_TYPE FILE`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use loquat_text::{Pieces, Tokenizer, TokenizerError};

const ROUNDS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, model_type, file] = &arguments[..] else {
        return Err("usage: encode_speed FOLDER MODEL_TYPE FILE".into());
    };
    let mut files = BTreeMap::new();
    for name in Tokenizer::FILES {
        if let Ok(bytes) = std::fs::read(Path::new(folder).join(name)) {
            files.insert((*name).to_owned(), bytes);
        }
    }
    let tokenizer = Tokenizer::from_files(model_type, &files)?;
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    time("own path", &lines, |line| tokenizer.pieces(line))?;
    time("library", &lines, |line| tokenizer.library_pieces(line))?;
    let same = |line: &&&str| matches!((tokenizer.pieces(line), tokenizer.library_pieces(line)), (Ok(a), Ok(b)) if a == b);
    println!("{} of {} lines the same", lines.iter().filter(same).count(), lines.len());
    Ok(())
}

fn time(
    name: &str,
    lines: &[&str],
    encode: impl Fn(&str) -> Result<Pieces, TokenizerError>,
) -> Result<(), TokenizerError> {
    let mut best = f64::INFINITY;
    let mut tokens = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        tokens = 0;
        for line in lines {
            tokens += encode(line)?.len();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let (line, rate) = (best / lines.len() as f64 * 1e6, tokens as f64 / best / 1e6);
    println!("{name}: {line:.2} µs a line, {rate:.1} million tokens a second");
    Ok(())
}
