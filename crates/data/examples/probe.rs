use loquat_spec::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let task = Task::ALL.into_iter().find(|t| t.as_str() == a[1]).unwrap();
    let dir = PathBuf::from(&a[2]);
    let ext = &a[3];
    let cols: BTreeMap<String, String> =
        a[4..].iter().filter_map(|c| c.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect();
    let f = |p: &str| vec![SourceFile { path: format!("{p}.{ext}"), format: None, language: None }];
    let d = Dataset {
        name: Name::new("probe").unwrap(),
        task,
        languages: vec![],
        files: f("train"),
        delimiter: None,
        columns: Columns { roles: cols },
        split: Split::Files {
            development: Some(SplitPart::Files(f("dev"))),
            test: Some(SplitPart::Files(f("test"))),
        },
        checks: BTreeMap::new(),
    };
    let t0 = Instant::now();
    let t = loquat_data::load(&d, &loquat_data::LoadOptions { base: dir, threads: 2, cache: None }).unwrap();
    println!(
        "{:?} rows {} read {} labels {} langs {} hash {}",
        t0.elapsed(),
        t.rows.len(),
        t.rows_read,
        t.labels.len(),
        t.languages.len(),
        &t.hash[..12]
    );
    for f in &t.findings {
        println!(
            "{:?} {} {:?}:{:?} {:?} n={} {} => {}",
            f.severity,
            f.check,
            f.file,
            f.line,
            f.field,
            f.rows.len(),
            f.message,
            f.remedy
        )
    }
}
