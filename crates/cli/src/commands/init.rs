//! `loquat init`: a starter folder that trains.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use loquat_spec::{ErrorCode, Name, Task};

use crate::arguments::Init;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use crate::starters::Starter;

/// Name of the resources where the folder's own name can't be one.
const FALLBACK: &str = "starter";

/// Writes the starter, never over a file that exists.
pub(crate) fn run(context: &Context, arguments: &Init) -> Result<u8, Failure> {
    let Some(starter) = Starter::of(arguments.task) else {
        let ready: Vec<&str> =
            Task::ALL.into_iter().filter(|task| Starter::of(*task).is_some()).map(Task::as_str).collect();
        let what = format!("a starter for {}", arguments.task.as_str());
        return Err(Failure::not_yet_supported(&what, &format!("there are {}", ready.join(", "))));
    };
    let folder = context.folder(arguments.folder.as_deref());
    let name = name_of(folder);
    let data = folder.join("data");
    std::fs::create_dir_all(&data).map_err(|error| Failure::file("create the folder", &data, &error))?;
    let resources = folder.join(format!("{name}.yaml"));
    let rows = data.join(format!("{name}.jsonl"));
    refuse_existing(&[&resources, &rows])?;
    write_new(&rows, starter.data)?;
    write_new(&resources, &starter.resources(&name))?;
    let ignore = folder.join(".gitignore");
    if !ignore.exists() {
        write_new(&ignore, ".loquat/\n")?;
    }
    output::answer(&format!(
        "wrote {} and {}\nnext: loquat up {}",
        resources.display(),
        rows.display(),
        folder.display()
    ))?;
    Ok(0)
}

/// The folder's own name where it is a valid name.
fn name_of(folder: &Path) -> String {
    let full = std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder));
    let full = std::fs::canonicalize(&full).unwrap_or(full);
    let name = full.file_name().and_then(|name| name.to_str()).and_then(|name| Name::new(name).ok());
    name.map_or_else(|| FALLBACK.to_owned(), |name| name.to_string())
}

fn refuse_existing(paths: &[&Path]) -> Result<(), Failure> {
    match paths.iter().find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(Failure::new(
            ErrorCode::Conflict,
            format!(
                "{} exists and is not written over: name another folder, or move it away",
                path.display()
            ),
        )),
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::file("write", path, &error))
}
