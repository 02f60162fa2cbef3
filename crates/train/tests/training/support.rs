//! Small synthetic data and requests for tests through the public surface.
#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use std::path::Path;
use std::time::Duration;

use loquat_data::{Input, Location, Part, Row, Table, text_key};
use loquat_spec::{Constraints, Family, Metric, Name, Promote, Search, Task, Training};
use loquat_store::Store;
use loquat_train::{Cancel, Origins, Progress, Request, Silent, TrainError, Trained, train};

pub(crate) const WORDS: [&str; 40] = [
    "stone", "river", "cloud", "paper", "green", "quick", "table", "horse", "light", "sound", "field",
    "night", "bread", "water", "glass", "chair", "music", "plant", "story", "north", "south", "early",
    "heavy", "small", "round", "sharp", "sweet", "bitter", "silver", "golden", "winter", "summer", "spring",
    "autumn", "morning", "evening", "garden", "forest", "valley", "harbour",
];
pub(crate) const TOPICS: [&[&str]; 4] = [
    &["refund", "invoice", "payment", "charge", "billing"],
    &["parcel", "courier", "delivery", "shipment", "tracking"],
    &["password", "login", "account", "locked", "reset"],
    &["crash", "error", "freeze", "screen", "update"],
];

/// A sequence of numbers that looks random (Numerical Recipes' generator).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }
}

pub(crate) struct TableConfig {
    pub(crate) rows: usize,
    pub(crate) test: usize,
    /// Labels say nothing about the texts.
    pub(crate) shuffled: bool,
    /// Texts of a few words, nearly all of their topics: what a tiny random encoder tells apart.
    pub(crate) short: bool,
    pub(crate) multi_label: bool,
    pub(crate) languages: usize,
    pub(crate) seed: u64,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self { rows: 160, test: 40, shuffled: false, short: false, multi_label: false, languages: 0, seed: 1 }
    }
}

pub(crate) fn table(config: &TableConfig) -> Table {
    let mut numbers = Numbers(config.seed);
    let rows: Vec<Row> =
        (0..config.rows + config.test).map(|number| row(config, number, &mut numbers)).collect();
    let mut table = Table {
        name: "synthetic".to_owned(),
        task: if config.multi_label { Task::MultiLabelClassification } else { Task::TextClassification },
        labels: ["billing", "delivery", "login", "software"].map(str::to_owned).to_vec(),
        domains: Vec::new(),
        languages: ["de", "en", "fr"].iter().take(config.languages).map(|name| (*name).to_owned()).collect(),
        rows,
        findings: Vec::new(),
        hash: String::new(),
        rows_read: config.rows + config.test,
        files: Vec::new(),
    };
    table.hash = table.content_hash();
    table
}

fn row(config: &TableConfig, number: usize, numbers: &mut Numbers) -> Row {
    let topic = numbers.below(4);
    let second = numbers.below(4);
    let others = if config.short { 1 } else { 5 + numbers.below(8) };
    let mut words: Vec<&str> = (0..others).map(|_| WORDS[numbers.below(WORDS.len())]).collect();
    // One row in eight says nothing of its topic, so that nothing is perfect.
    let each = if config.short { 2 + numbers.below(2) } else { 1 };
    if numbers.below(8) > 0 {
        for _ in 0..each {
            words.insert(numbers.below(words.len()), TOPICS[topic][numbers.below(5)]);
        }
    }
    let mut labels = vec![topic as u32];
    if config.multi_label {
        for _ in 0..each {
            words.insert(numbers.below(words.len()), TOPICS[second][numbers.below(5)]);
        }
        labels.push(second as u32);
        labels.sort_unstable();
        labels.dedup();
    }
    if config.shuffled {
        // Equal shares, so that chance is exactly a quarter.
        labels = vec![number as u32 % 4];
    }
    let text = words.join(" ");
    Row {
        id: Some(format!("r{number}")),
        key: text_key(&text),
        input: Input::Text(text),
        labels,
        shares: Vec::new(),
        domain: None,
        language: (config.languages > 0).then(|| (number % config.languages) as u32),
        group: None,
        weight: 1.0,
        part: if number < config.rows { Part::Train } else { Part::Test },
        leaked: false,
        location: Location::default(),
        number,
    }
}

pub(crate) fn training(trials: usize) -> Training {
    Training {
        name: Name::new("synthetic").unwrap(),
        dataset: Name::new("synthetic").unwrap(),
        metric: Metric::MacroF1,
        folds: 3,
        search: Search { families: vec![Family::Linear], trials, timeout: None, seed: 17 },
        backbones: Vec::new(),
        unlabelled: None,
        teacher: None,
        trim_vocabulary: false,
        constraints: Constraints::default(),
        calibration: true,
        threads: None,
        gpu: false,
        promote: Promote::IfBetter,
    }
}

pub(crate) fn with_timeout(training: Training, timeout: Duration) -> Training {
    Training { search: Search { timeout: Some(timeout), ..training.search.clone() }, ..training }
}

/// A folder with a store and a run.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    pub(crate) fn run_dir(&self) -> std::path::PathBuf {
        self.folder.path().join("runs/synthetic")
    }

    pub(crate) fn request<'a>(
        &'a self,
        training: &'a Training,
        table: &'a Table,
        cancel: &'a Cancel,
    ) -> Request<'a> {
        Request {
            training,
            resource: "kind: Training\n",
            table,
            run_dir: self.run_dir(),
            backbones: Vec::new(),
            origins: Origins::default(),
            cache_dir: Some(self.folder.path().join("cache")),
            store: &self.store,
            threads: 2,
            cancel,
            progress: &Silent,
            code_version: "test",
        }
    }

    pub(crate) fn train(&self, training: &Training, table: &Table) -> Result<Trained, TrainError> {
        let cancel = Cancel::new();
        train(&self.request(training, table, &cancel))
    }
}

/// Every file of an artifact, to be compared bit for bit.
pub(crate) fn files(place: &Place, trained: &Trained) -> Vec<(String, Vec<u8>)> {
    let record = trained.record.as_ref().unwrap();
    let reference = format!("{}:{}", record.name, record.version).parse().unwrap();
    let path = place.store.resolve(&reference).unwrap().path;
    read_all(&path)
}

fn read_all(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Asks to stop once the progress has advanced so often.
pub(crate) struct StopAfter<'c> {
    pub(crate) cancel: &'c Cancel,
    pub(crate) steps: std::sync::atomic::AtomicI64,
    /// How often to ask.
    pub(crate) times: usize,
}

impl Progress for StopAfter<'_> {
    fn stage(&self, _name: &str, _total: Option<u64>) {}

    fn advance(&self, steps: u64) {
        let left = self.steps.fetch_sub(steps as i64, std::sync::atomic::Ordering::SeqCst);
        if left == 1 {
            (0..self.times).for_each(|_| self.cancel.request());
        }
    }

    fn note(&self, _text: &str) {}
}

/// A vocabulary of `size` tokens: special ones, the words of the topics, and as many others as fit.
pub(crate) fn vocabulary(size: usize) -> String {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
    let words = special.iter().chain(TOPICS.into_iter().flatten()).chain(&WORDS).take(size);
    words.map(|word| format!("{word}\n")).collect()
}

/// The same words as a `tokenizer.json`.
pub(crate) fn tokenizer_json() -> String {
    let words = vocabulary(61);
    let ids: serde_json::Map<String, serde_json::Value> =
        words.lines().zip(0..).map(|(word, id)| (word.to_owned(), id.into())).collect();
    let special = |id: u32, token: &str| {
        serde_json::json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": ids, "unk_token": "[UNK]"},
    })
    .to_string()
}
