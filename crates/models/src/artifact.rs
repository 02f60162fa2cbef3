//! The model artifact: a folder that training writes and serving reads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use loquat_spec::Explanation;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::features::FeatureConfig;
use crate::linear::{Calibration, Component, Scratch};
use crate::manifest::Manifest;
use crate::vocabulary::Vocabulary;
use crate::weight_rows::{Row, WeightRows, class_bytes};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const MODEL_TYPE: &str = "loquat-linear";

thread_local! {
    /// Buffers of each thread: a single short text must not pay for clearing counters as long as the vocabulary.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// `config.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    model_type: String,
    components: Vec<ComponentConfig>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentConfig {
    features: FeatureConfig,
    calibration: Calibration,
    weight: f32,
}

/// A loaded artifact: text in, probability per label out.
#[derive(Debug, Clone)]
pub struct Model {
    manifest: Manifest,
    components: Vec<Component>,
}

impl Model {
    /// A model that averages the probabilities of its components, each weighted by its share.
    pub fn new(manifest: Manifest, components: Vec<Component>) -> Self {
        Self { manifest, components }
    }

    /// What travels with the weights.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What travels with the weights, to be filled in.
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// The weight matrices.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Bytes of the loaded model.
    pub fn resident_bytes(&self) -> u64 {
        self.components.iter().map(|c| c.resident_bytes() as u64).sum()
    }

    /// Probability per label of each text, `[texts][labels]`, with `threads` threads (one: the caller's own).
    ///
    /// The result does not depend on `threads`, nor on which texts are asked for together.
    pub fn probabilities(&self, texts: &[&str], threads: usize) -> Vec<Vec<f32>> {
        let one_thread = |texts: &[&str]| -> Vec<Vec<f32>> {
            SCRATCH.with_borrow_mut(|scratch| {
                texts.iter().map(|text| self.probabilities_of(text, scratch)).collect()
            })
        };
        if threads <= 1 || texts.len() < 64 {
            return one_thread(texts);
        }
        // Several chunks a thread, handed out as threads come free, so that long texts at one end hold up no one.
        let chunks: Vec<&[&str]> = texts.chunks(texts.len().div_ceil(threads * 8).max(16)).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                match chunks.get(number) {
                    Some(chunk) => done.push((number, one_thread(chunk))),
                    None => return done,
                }
            }
        };
        let mut done: Vec<_> = std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for helper in helpers {
                match helper.join() {
                    Ok(more) => done.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            done
        });
        done.sort_unstable_by_key(|(number, _)| *number);
        done.into_iter().flat_map(|(_, probabilities)| probabilities).collect()
    }

    /// Probability per label of one text, with buffers kept by the caller.
    pub fn probabilities_of(&self, text: &str, scratch: &mut Scratch) -> Vec<f32> {
        let text = self.cut(text);
        let mut sum = vec![0.0; self.manifest.labels.len()];
        let mut margins = vec![0.0; sum.len()];
        for component in &self.components {
            component.margins(text, scratch, &mut margins);
            component.calibration.apply(&mut margins);
            for (total, probability) in sum.iter_mut().zip(&margins) {
                *total += component.weight * probability;
            }
        }
        sum
    }

    fn cut<'t>(&self, text: &'t str) -> &'t str {
        match self.manifest.max_length.and_then(|length| text.char_indices().nth(length)) {
            Some((end, _)) => &text[..end],
            None => text,
        }
    }

    /// The `top` pieces of `text` that spoke most for or against `label`, strongest first.
    ///
    /// Contributions of n-grams that cover the same characters are added up; a piece inside a stronger one is left out.
    pub fn explain(&self, text: &str, label: usize, top: usize) -> Vec<Explanation> {
        let mut scratch = Scratch::default();
        let mut pieces: BTreeMap<(usize, usize), f32> = BTreeMap::new();
        for component in &self.components {
            component.contributions(self.cut(text), label, &mut scratch, |start, end, share| {
                *pieces.entry((start, end)).or_default() += component.weight * share;
            });
        }
        let mut ranked: Vec<_> = pieces.into_iter().collect();
        ranked.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        let characters: Vec<char> = text.chars().collect();
        let mut chosen: Vec<Explanation> = Vec::new();
        for ((start, end), weight) in ranked {
            let overlaps = chosen.iter().any(|c| start < c.end && c.start < end);
            if chosen.len() == top {
                break;
            }
            if weight != 0.0 && !overlaps {
                let piece = characters[start..end].iter().collect();
                chosen.push(Explanation { start, end, text: piece, weight });
            }
        }
        chosen
    }

    /// Writes the artifact's files into `folder`.
    pub fn save(&self, folder: &Path) -> Result<(), ModelError> {
        let config = Config {
            model_type: MODEL_TYPE.to_owned(),
            components: self
                .components
                .iter()
                .map(|c| ComponentConfig {
                    features: c.features.clone(),
                    calibration: c.calibration.clone(),
                    weight: c.weight,
                })
                .collect(),
        };
        write(&folder.join(CONFIG), &to_json(&config))?;
        self.manifest.save(folder)?;
        let buffers: Vec<Stored> =
            self.components.iter().enumerate().flat_map(|(index, c)| tensors(index, c)).collect();
        save_tensors(&folder.join(WEIGHTS), &buffers)
    }

    /// Reads the artifact in `folder`.
    pub fn load(folder: &Path) -> Result<Self, ModelError> {
        let manifest = Manifest::load(folder)?;
        let config: Config = read_json(&folder.join(CONFIG), "model configuration")?;
        if config.model_type != MODEL_TYPE {
            return Err(ModelError::Unsupported {
                path: folder.join(CONFIG),
                what: "model_type",
                found: config.model_type,
                supported: MODEL_TYPE,
            });
        }
        let path = folder.join(WEIGHTS);
        let bytes = read(&path)?;
        let reader = TensorReader::new(path, &bytes)?;
        let classes = manifest.labels.len();
        let components = config
            .components
            .into_iter()
            .enumerate()
            .map(|(index, config)| reader.component(index, config, classes))
            .collect::<Result<_, _>>()?;
        Ok(Self { manifest, components })
    }
}

/// A tensor as a file has it: name, type, shape, bytes.
pub(crate) type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

pub(crate) fn save_tensors(path: &Path, tensors: &[Stored]) -> Result<(), ModelError> {
    let refused = |source| ModelError::Weights { path: path.to_owned(), source };
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        views.push((name.clone(), TensorView::new(*dtype, shape.clone(), bytes).map_err(refused)?));
    }
    write(path, &safetensors::serialize(views, None).map_err(refused)?)
}

fn tensors(index: usize, c: &Component) -> Vec<Stored> {
    let features = c.vocabulary.len();
    let bytes32 = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let prefix = format!("components.{index}");
    let name = |part: &str| format!("{prefix}.{part}");
    let hashes = c.vocabulary.hashes().iter().flat_map(|v| v.to_le_bytes()).collect();
    let idf = c.vocabulary.stored_idf().iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut tensors = row_tensors(&prefix, &c.weights, c.classes());
    tensors.extend([
        (name("hashes"), Dtype::U32, vec![features], hashes),
        (name("idf"), Dtype::U16, vec![features], idf),
        (name("bias"), Dtype::F32, vec![c.classes()], bytes32(&c.bias)),
    ]);
    if !c.background.is_empty() {
        tensors.push((name("background"), Dtype::F32, vec![c.classes()], bytes32(&c.background)));
    }
    tensors
}

/// The tensors of rows of weights.
pub(crate) fn row_tensors(prefix: &str, rows: &WeightRows, classes: usize) -> Vec<Stored> {
    let bytes32 = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let name = |part: &str| format!("{prefix}.{part}");
    let mut stored = StoredRows::default();
    (0..rows.len()).for_each(|feature| stored.push(rows.get(feature)));
    let (whole, entries) = (stored.whole.len() / classes.max(1), stored.sparse_weights.len());
    let class_type = if class_bytes(classes) == 1 { Dtype::U8 } else { Dtype::U16 };
    let counts: Vec<u8> = stored.counts.iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut tensors = vec![
        (name("weighted"), Dtype::U8, vec![rows.len()], stored.kinds),
        (name("scales"), Dtype::F32, vec![stored.scales.len()], bytes32(&stored.scales)),
        (name("weights"), Dtype::I8, vec![whole, classes], stored.whole),
    ];
    if !stored.counts.is_empty() {
        tensors.extend([
            (name("sparse_counts"), Dtype::U16, vec![stored.counts.len()], counts),
            (name("sparse_classes"), class_type, vec![entries], stored.sparse_classes),
            (name("sparse_weights"), Dtype::I8, vec![entries], stored.sparse_weights),
        ]);
    }
    tensors
}

/// Rows of weights, part by part, as the file has them.
#[derive(Debug, Default)]
struct StoredRows {
    /// Of each feature: [`NO_ROW`], [`WHOLE_ROW`] or [`SPARSE_ROW`].
    kinds: Vec<u8>,
    scales: Vec<f32>,
    whole: Vec<u8>,
    counts: Vec<u16>,
    sparse_classes: Vec<u8>,
    sparse_weights: Vec<u8>,
}

const NO_ROW: u8 = 0;
const WHOLE_ROW: u8 = 1;
const SPARSE_ROW: u8 = 2;

impl StoredRows {
    fn push(&mut self, row: Option<Row<'_>>) {
        self.scales.extend(row.map(Row::scale));
        match row {
            None => self.kinds.push(NO_ROW),
            Some(Row::Whole { weights, .. }) => {
                self.kinds.push(WHOLE_ROW);
                self.whole.extend_from_slice(weights);
            }
            Some(Row::Sparse { classes, weights, .. }) => {
                self.kinds.push(SPARSE_ROW);
                self.counts.push(weights.len() as u16);
                self.sparse_classes.extend_from_slice(classes);
                self.sparse_weights.extend_from_slice(weights);
            }
        }
    }
}

/// Reads tensors of a file, each held against the type and shape that it should have.
pub(crate) struct TensorReader<'b> {
    path: PathBuf,
    weights: SafeTensors<'b>,
}

impl<'b> TensorReader<'b> {
    pub(crate) fn new(path: PathBuf, bytes: &'b [u8]) -> Result<Self, ModelError> {
        match SafeTensors::deserialize(bytes) {
            Ok(weights) => Ok(Self { path, weights }),
            Err(source) => Err(ModelError::Weights { path, source }),
        }
    }

    /// A list of numbers, however long.
    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<u32>, ModelError> {
        let length = self.weights.tensor(name).ok().and_then(|view| view.shape().first().copied());
        let bytes = self.bytes(name, Dtype::U32, &[length.unwrap_or(0)])?;
        Ok(bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&[u8], ModelError> {
        let problem =
            |problem| ModelError::Tensor { path: self.path.clone(), tensor: name.to_owned(), problem };
        let view = self.weights.tensor(name).map_err(|_| problem("is missing"))?;
        if view.dtype() != dtype {
            return Err(problem("has another type than this architecture's"));
        }
        if view.shape() != shape {
            return Err(problem("has another shape than the labels and features ask for"));
        }
        Ok(view.data())
    }

    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let bytes = self.bytes(name, Dtype::F32, shape)?;
        let values: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if values.iter().all(|v| v.is_finite()) {
            Ok(values)
        } else {
            let tensor = name.to_owned();
            Err(ModelError::Tensor {
                path: self.path.clone(),
                tensor,
                problem: "holds a value that is not finite",
            })
        }
    }

    fn component(
        &self,
        index: usize,
        config: ComponentConfig,
        classes: usize,
    ) -> Result<Component, ModelError> {
        let name = |part: &str| format!("components.{index}.{part}");
        let problem =
            |part: &str, problem| ModelError::Tensor { path: self.path.clone(), tensor: name(part), problem };
        let hashes = self.numbers(&name("hashes"))?;
        let features = hashes.len();
        let idf = self.bytes(&name("idf"), Dtype::U16, &[features])?;
        let idf = idf.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        let vocabulary =
            Vocabulary::new(hashes, idf).ok_or_else(|| problem("hashes", "is not in ascending order"))?;
        if let Calibration::Platt { slope, intercept } = &config.calibration
            && (slope.len() != classes || intercept.len() != classes)
        {
            return Err(problem("bias", "and the calibration have different numbers of labels"));
        }
        Ok(Component {
            features: config.features,
            weights: self.rows(&name, features, classes)?,
            bias: self.floats(&name("bias"), &[classes])?,
            background: match self.weights.tensor(&name("background")) {
                Ok(_) => self.floats(&name("background"), &[classes])?,
                Err(_) => Vec::new(),
            },
            calibration: config.calibration,
            weight: config.weight,
            vocabulary,
        })
    }

    /// The weights of all features. Without sparse parts every row is whole.
    pub(crate) fn rows(
        &self,
        name: &dyn Fn(&str) -> String,
        features: usize,
        classes: usize,
    ) -> Result<WeightRows, ModelError> {
        let problem =
            |part: &str, problem| ModelError::Tensor { path: self.path.clone(), tensor: name(part), problem };
        let kinds = self.bytes(&name("weighted"), Dtype::U8, &[features])?;
        let of_kind = |kind: u8| kinds.iter().filter(|k| **k == kind).count();
        let (whole, sparse) = (of_kind(WHOLE_ROW), of_kind(SPARSE_ROW));
        let scales = self.floats(&name("scales"), &[whole + sparse])?;
        let weights = self.bytes(&name("weights"), Dtype::I8, &[whole, classes])?;
        let width = class_bytes(classes);
        let (mut counts, mut sparse_classes, mut sparse_weights) = (Vec::new(), &[][..], &[][..]);
        if sparse > 0 {
            let stored = self.bytes(&name("sparse_counts"), Dtype::U16, &[sparse])?;
            counts = stored.chunks_exact(2).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))).collect();
            let entries = counts.iter().sum();
            let class_type = if width == 1 { Dtype::U8 } else { Dtype::U16 };
            sparse_classes = self.bytes(&name("sparse_classes"), class_type, &[entries])?;
            sparse_weights = self.bytes(&name("sparse_weights"), Dtype::I8, &[entries])?;
            if counts.iter().any(|count| *count >= classes) || !classes_below(classes, sparse_classes) {
                return Err(problem("sparse_classes", "names a class that there is not"));
            }
        }
        let mut rows = WeightRows::empty(classes);
        let (mut whole, mut scales, mut counts) =
            (weights.chunks_exact(classes.max(1)), scales.into_iter(), counts.into_iter());
        for kind in kinds {
            let scale = if *kind == NO_ROW { 0.0 } else { scales.next().unwrap_or(0.0) };
            match *kind {
                NO_ROW => rows.push_none(),
                WHOLE_ROW => rows.push(Row::Whole { scale, weights: whole.next().unwrap_or_default() }),
                SPARSE_ROW => {
                    let count = counts.next().unwrap_or(0);
                    let (classes, rest) = sparse_classes.split_at(count * width);
                    let (weights, others) = sparse_weights.split_at(count);
                    (sparse_classes, sparse_weights) = (rest, others);
                    rows.push(Row::Sparse { scale, classes, weights });
                }
                _ => return Err(problem("weighted", "holds a number other than 0, 1 and 2")),
            }
        }
        Ok(rows)
    }
}

/// Whether every class in `bytes` is below `classes`.
fn classes_below(classes: usize, bytes: &[u8]) -> bool {
    match class_bytes(classes) {
        1 => bytes.iter().all(|class| usize::from(*class) < classes),
        _ => bytes.chunks_exact(2).all(|b| usize::from(u16::from_le_bytes([b[0], b[1]])) < classes),
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes =
        serde_json::to_vec_pretty(value).expect("these types hold no map with keys other than text");
    bytes.push(b'\n');
    bytes
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    std::fs::write(path, bytes).map_err(|source| ModelError::File { path: path.to_owned(), source })
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::File { path: path.to_owned(), source })
}

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(
    path: &Path,
    what: &'static str,
) -> Result<T, ModelError> {
    serde_json::from_slice(&read(path)?).map_err(|source| ModelError::Json {
        path: path.to_owned(),
        what,
        source,
    })
}
