//! Memory that loads of one version share, and what becomes of the files that hold it.

use std::fs;
use std::path::{Path, PathBuf};

use loquat_infer::{Device, Import, InferError, Input, Kernels, Pipeline, import, source_files};
use loquat_models::ModelError;
use loquat_spec::{ErrorCode, ModelReference, Name, Precision, Task};
use loquat_store::{NewVersion, Store};

use crate::fixture::{folder, resource};

/// A registry with a tiny model as version 1.
struct Registered {
    _folder: tempfile::TempDir,
    store: Store,
}

impl Registered {
    fn new(name: &str, precision: Precision) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let registered = Self { _folder: folder, store };
        registered.add(name, precision);
        registered
    }

    fn add(&self, name: &str, precision: Precision) {
        let source = folder(name);
        let mut model = resource(Task::TextClassification);
        model.precision = precision;
        // Tiny random models lose more to eight bits than large ones.
        model.agreement = loquat_spec::Share::parse("1%").unwrap();
        let files = source_files(source.path()).unwrap();
        let compute = Kernels::detect().into();
        let request = Import { model: &model, files: &files, source: name, texts: &[], compute, threads: 1 };
        let staging = self.store.stage().unwrap();
        import(&request, staging.path()).unwrap();
        let new = NewVersion { outcome: "imported".to_owned(), ..NewVersion::default() };
        self.store.register(&Name::new("tiny").unwrap(), staging, new).unwrap();
    }

    fn load(&self) -> Pipeline {
        Pipeline::from_store(&self.store, &version(1)).unwrap()
    }

    /// The same version, in memory of its own.
    fn own(&self) -> Pipeline {
        Pipeline::load(&self.store.resolve(&version(1)).unwrap().path).unwrap()
    }

    fn packed(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.store.packed_folder()) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

fn version(number: u32) -> ModelReference {
    format!("tiny:{number}").parse().unwrap()
}

fn outputs(pipeline: &Pipeline) -> Vec<Vec<f32>> {
    let inputs = ["a cat", "what a long way to go, said the fox!", "no."].map(Input::new);
    pipeline.outputs(&inputs, 1).unwrap()
}

/// Bytes of the tensors of a safetensors file, without its header.
fn tensor_bytes(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    bytes.len() as u64 - 8 - u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// Mappings of a file in this process, and the bytes of them that are memory of this process alone.
#[cfg(target_os = "linux")]
fn mappings(path: &Path) -> (usize, usize) {
    let text = fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut count, mut private, mut inside) = (0, 0, false);
    for line in text.lines() {
        let first = line.split(' ').next().unwrap();
        if !first.ends_with(':') {
            inside = line.ends_with(path.canonicalize().unwrap().to_str().unwrap());
            count += usize::from(inside);
        } else if inside && first == "Private_Dirty:" {
            private += line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap();
        }
    }
    (count, private)
}

#[test]
fn two_loads_of_a_version_share_its_weights_and_answer_alike() {
    for precision in [Precision::F32, Precision::Int8] {
        let registered = Registered::new("bert-sequence", precision);
        let (first, second, own) = (registered.load(), registered.load(), registered.own());
        let artifact = registered.store.resolve(&version(1)).unwrap().path;
        let weights = match precision {
            Precision::F32 => artifact.join("model.safetensors"),
            Precision::Int8 => artifact.join("model.int8.safetensors"),
        };
        // Biases, norms and the like are each one's own.
        let (shared, all) = (first.shared_bytes(), tensor_bytes(&weights));
        assert!(shared * 10 > all * 7, "{precision:?}: {shared} of {all} bytes");
        assert_eq!(first.shared_bytes(), second.shared_bytes(), "{precision:?}");
        assert_eq!(own.shared_bytes(), 0);
        assert_eq!(outputs(&first), outputs(&own), "{precision:?}");
        assert_eq!(outputs(&second), outputs(&own), "{precision:?}");
        #[cfg(target_os = "linux")]
        {
            for path in [&registered.packed()[0], &weights] {
                assert_eq!(mappings(path), (2, 0), "{}", path.display());
            }
        }
        drop((first, second));
        #[cfg(target_os = "linux")]
        assert_eq!(mappings(&registered.packed()[0]), (0, 0));
    }
}

#[test]
fn each_path_of_the_kernels_keeps_a_file_of_its_own() {
    let registered = Registered::new("bert-sequence", Precision::F32);
    let path = registered.store.resolve(&version(1)).unwrap().path;
    for kernels in Kernels::all() {
        let own = outputs(&Pipeline::load_on(&path, kernels).unwrap());
        for _ in 0..2 {
            let shared = Pipeline::from_store_on(&registered.store, &version(1), kernels).unwrap();
            assert_eq!(outputs(&shared), own, "{kernels:?}");
        }
    }
    assert_eq!(registered.packed().len(), Kernels::all().len());
}

#[test]
fn a_file_that_is_not_as_it_was_written_is_made_again() {
    let registered = Registered::new("bert-sequence", Precision::F32);
    registered.add("distilbert-sequence", Precision::F32);
    let wanted = outputs(&registered.load());
    let packed = registered.packed();
    let [path] = packed.as_slice() else { panic!("one file, not {packed:?}") };
    let whole = fs::read(path).unwrap();
    drop(Pipeline::from_store(&registered.store, &version(2)).unwrap());
    let other = registered.packed().into_iter().find(|other| other != path).unwrap();

    let end = whole.len();
    let flipped = [0, 1000, end / 2, end - 100, end - 45, end - 30, end - 1].map(|place| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    });
    let cut = [0, 1, 47, 48, 1000, end - 1].map(|length| whole[..length].to_vec());
    let longer = [whole.clone(), vec![0; 64]].concat();
    for damaged in flipped.into_iter().chain(cut).chain([longer, fs::read(other).unwrap()]) {
        // Beside its place and renamed, as a mapped file must not change.
        let aside = registered.store.packed_folder().join("aside");
        fs::write(&aside, &damaged).unwrap();
        fs::rename(&aside, path).unwrap();
        assert_eq!(outputs(&registered.load()), wanted, "{} bytes", damaged.len());
        assert!(fs::read(path).unwrap() == whole, "{} bytes: not made again", damaged.len());
    }
    assert_eq!(registered.packed().len(), 2, "nothing else is left");
}

#[test]
fn a_place_that_cannot_be_written_costs_memory_alone() {
    let registered = Registered::new("bert-sequence", Precision::F32);
    fs::write(registered.store.packed_folder(), "in the way").unwrap();
    let pipeline = registered.load();
    assert_eq!(outputs(&pipeline), outputs(&registered.own()));
    let tables = pipeline.shared_bytes();
    assert!(tables > 0, "tables of vectors are looked up in the artifact itself");
    fs::remove_file(registered.store.packed_folder()).unwrap();
    assert!(registered.load().shared_bytes() > tables);
}

#[test]
fn a_gpu_is_refused_to_weights_that_no_library_computes() {
    let registered = Registered::new("bert-sequence", Precision::F32);
    let compute = loquat_infer::Compute::from(Kernels::detect()).on(Device::Gpu);
    let error = Pipeline::from_store_on(&registered.store, &version(1), compute).unwrap_err();
    assert!(matches!(error, InferError::Model(ModelError::NoGpu)), "{error}");
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.to_string().contains("--onnxruntime") && error.to_string().contains("gpu: 0"), "{error}");
    assert_eq!(registered.load().device(), Device::Processor);
}
