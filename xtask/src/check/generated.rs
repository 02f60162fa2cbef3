//! Files that the binary writes about itself: JSON schemas and the command line reference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

const SCHEMAS: &str = "docs/schema";
/// Name of the schema that an editor checks files of any kind with.
const ALL_KINDS: &str = "resource";
const REFERENCE: &str = "docs/cli.md";

/// Writes every generated file from a fresh build.
pub(crate) fn generate(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&["build", "--workspace"]))?;
    let wanted = render(workspace)?;
    for stale in present(workspace)?.into_iter().filter(|path| !wanted.contains_key(path)) {
        std::fs::remove_file(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
    }
    for (path, text) in wanted {
        let folder = path.parent().context("generated files lie in a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Fails when a generated file differs from what the built binary writes. The build is an earlier stage.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let wanted = render(workspace)?;
    let mut problems: Vec<String> = Vec::new();
    for (path, text) in &wanted {
        match std::fs::read_to_string(path) {
            Ok(found) if found == *text => {}
            Ok(_) => problems.push(format!("{} differs", path.display())),
            Err(_) => problems.push(format!("{} is missing", path.display())),
        }
    }
    let stale = present(workspace)?.into_iter().filter(|path| !wanted.contains_key(path));
    problems.extend(stale.map(|path| format!("{} belongs to no kind", path.display())));
    if !problems.is_empty() {
        bail!("{}\nrun `cargo xtask generate` and commit what it writes", problems.join("\n"));
    }
    Ok(())
}

/// The text of every generated file by path.
fn render(workspace: &Workspace) -> Result<BTreeMap<PathBuf, String>> {
    let binary = workspace.binary("debug");
    let all = schema(&binary, None)?;
    let mut files = BTreeMap::new();
    for kind in kinds(&all)? {
        let path = workspace.path(&format!("{SCHEMAS}/{}.json", kind.to_lowercase()));
        files.insert(path, pretty(&schema(&binary, Some(&kind))?)?);
    }
    files.insert(workspace.path(&format!("{SCHEMAS}/{ALL_KINDS}.json")), pretty(&all)?);
    let reference = process::output(Command::new(&binary).arg("help-markdown"))?;
    files.insert(workspace.path(REFERENCE), format!("{}\n", reference.trim_end()));
    Ok(files)
}

/// The schema of one kind, or the one for files of any kind.
fn schema(binary: &Path, kind: Option<&str>) -> Result<Value> {
    let text = process::output(Command::new(binary).arg("schema").args(kind))?;
    serde_json::from_str(&text)
        .with_context(|| format!("`loquat schema {}` printed no JSON", kind.unwrap_or_default()))
}

/// The kinds that the schema for all of them allows.
fn kinds(all: &Value) -> Result<Vec<String>> {
    let names = all.pointer("/properties/kind/enum").context("`loquat schema` allows no list of kinds")?;
    Ok(serde_json::from_value(names.clone())?)
}

fn pretty(value: &Value) -> Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Schema files that lie in the repository now.
fn present(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let folder = workspace.path(SCHEMAS);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
