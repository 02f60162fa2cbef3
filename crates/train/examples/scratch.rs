//! scratch
use std::collections::BTreeMap;
use std::time::Duration;
use loquat_data::*;
use loquat_spec::*;
use loquat_train::*;
struct P(std::time::Instant);
impl Progress for P {
    fn stage(&self, name: &str, total: Option<u64>) { eprintln!("{:.1} {name} {total:?}", self.0.elapsed().as_secs_f64()); }
    fn advance(&self, _n: u64) {}
    fn note(&self, text: &str) { eprintln!("{text}"); }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let roles: BTreeMap<String, String> = [("text","text"),("label","label"),("language","lang"),("group","customer"),("id","id")].into_iter().map(|(a,b)|(a.to_string(),b.to_string())).collect();
    let dataset = Dataset { name: Name::new("tickets").unwrap(), task: Task::TextClassification, languages: vec![], files: vec![SourceFile{path: "data/tickets.jsonl".into(), format: None, language: None}], delimiter: None, columns: Columns{roles}, split: Split::Hash{development: Share::parse("0%").unwrap(), test: Share::parse("15%").unwrap()}, checks: BTreeMap::new() };
    let table = load(&dataset, &LoadOptions{base: "examples/tickets".into(), threads: 2, cache: None}).unwrap();
    eprintln!("{} rows {:?}", table.rows.len(), table.labels);
    let training = Training { name: Name::new("tickets").unwrap(), dataset: Name::new("tickets").unwrap(), metric: Metric::MacroF1, folds: 5,
        search: Search{families: vec![Family::Linear], trials: args[1].parse().unwrap(), timeout: Some(Duration::from_secs_f64(args[2].parse().unwrap())), seed: 17}, constraints: Default::default(), calibration: true, threads: None, promote: Promote::IfBetter };
    let dir = std::path::PathBuf::from(&args[3]);
    let store = loquat_store::Store::open(&dir.join("store")).unwrap();
    let cancel = Cancel::new();
    let request = Request { training: &training, resource: "", table: &table, run_dir: dir.join("runs/tickets"), store: &store, threads: 2, cancel: &cancel, progress: &P(std::time::Instant::now()), code_version: "x" };
    let t = train(&request).unwrap();
    println!("{}", t.report.summary(true));
    println!("{}", t.report.markdown());
}
