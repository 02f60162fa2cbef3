//! The model hub as the environment describes it: the variables of the `huggingface_hub` library, with their meaning there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use loquat_connect::hub::{Hub, HubConfig, Progress, Snapshot, Token};
use loquat_spec::{ErrorCode, HubReference};

use crate::context::{Context, cache_folder};
use crate::failure::Failure;
use crate::output;
use crate::variables::variable;

/// Words that mean yes in a variable.
const YES: [&str; 4] = ["1", "on", "yes", "true"];

/// The files of a model, from the cache or the hub; what the cache answered for the hub is said.
pub(crate) fn fetch(context: &Context, folder: &Path, model: &HubReference) -> Result<Snapshot, Failure> {
    let bar = bar(context);
    let show = |progress: Progress<'_>| {
        bar.set_message(format!("{model} {}", progress.file));
        bar.set_length(progress.bytes.unwrap_or(progress.done));
        bar.set_position(progress.done);
    };
    let snapshot = Hub::new(config(folder)?).snapshot(model, &show);
    bar.finish_and_clear();
    let snapshot = snapshot?;
    if let Some(warning) = &snapshot.warning {
        output::say(&format!("warning: {warning}"));
    }
    Ok(snapshot)
}

/// The hub, its cache the one that its own library uses; that of `folder` where the user has no home.
pub(crate) fn config(folder: &Path) -> Result<HubConfig, Failure> {
    let mut config = HubConfig::new(cache().unwrap_or_else(|| cache_folder(folder).join("hub")));
    if let Some(endpoint) = variable("HF_ENDPOINT") {
        config.endpoint = endpoint;
    }
    if let Some(seconds) = variable("HF_HUB_DOWNLOAD_TIMEOUT") {
        let seconds: u64 = seconds.parse().map_err(|_| {
            let message = format!("HF_HUB_DOWNLOAD_TIMEOUT is {seconds:?}, write a number of seconds");
            Failure::new(ErrorCode::Invalid, message)
        })?;
        config.timeout = Duration::from_secs(seconds.max(1));
    }
    config.token = token();
    config.offline =
        variable("HF_HUB_OFFLINE").is_some_and(|word| YES.contains(&word.to_lowercase().as_str()));
    Ok(config)
}

/// The token of the environment, else the one that the hub's own command line keeps.
fn token() -> Option<Token> {
    if let Some(token) = variable("HF_TOKEN") {
        return Token::new(&token);
    }
    let path = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(home()?.join("token")))?;
    Token::new(&std::fs::read_to_string(path).ok()?)
}

fn cache() -> Option<PathBuf> {
    variable("HF_HUB_CACHE").map(PathBuf::from).or_else(|| Some(home()?.join("hub")))
}

fn home() -> Option<PathBuf> {
    let cache = || {
        let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
        cache.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")))
    };
    variable("HF_HOME").map(PathBuf::from).or_else(|| Some(cache()?.join("huggingface")))
}

pub(crate) fn bar(context: &Context) -> ProgressBar {
    if !context.bars {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {msg} [{bar:30}] {bytes}/{total_bytes} {elapsed}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}
