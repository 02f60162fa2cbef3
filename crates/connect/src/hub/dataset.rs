//! Data sets of a hub, as the hub converted them to Parquet: `CONFIG/SPLIT/0000.parquet` of a branch of their own.

use std::collections::BTreeSet;
use std::path::PathBuf;

use loquat_spec::HubDataset;

use crate::hub::api::Revision;
use crate::hub::cache::RepositoryCache;
use crate::hub::error::HubError;
use crate::hub::repository::Repository;
use crate::hub::selection::is_portable;
use crate::hub::snapshot::{Hub, Progress};

/// The files of one split of a data set, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetFiles {
    /// The commit that they belong to.
    pub commit: String,
    /// Each file and its name inside the data set, in order.
    pub files: Vec<(PathBuf, String)>,
    /// Why the hub was not asked though it should have been; the cache answered.
    pub warning: Option<String>,
}

impl Hub {
    /// The Parquet files of a split, fetched where the cache lacks them. What the cache holds of a commit is not asked for
    /// again; when the hub is out of reach, the commit that the revision meant last is taken, and
    /// [`DatasetFiles::warning`] says so.
    pub fn dataset(
        &self,
        dataset: &HubDataset,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<DatasetFiles, HubError> {
        let repository = Repository::from(dataset);
        let cache = RepositoryCache::new(&self.config.cache, &repository);
        let held = cache.commit(&repository).and_then(|commit| held(&cache, dataset, &commit));
        if self.config.offline {
            let offline =
                || HubError::Offline { model: dataset.to_string(), cache: self.config.cache.clone() };
            return held.ok_or_else(offline);
        }
        if let Some(held) = held.clone().filter(|_| repository.is_commit()) {
            return Ok(held);
        }
        match self.fetch_dataset((dataset, &repository), &cache, progress) {
            Err(error) if error.is_outage() => {
                let warning = Some(format!("{error}; the cache's copy of {dataset} is used"));
                held.map(|held| DatasetFiles { warning, ..held }).ok_or(error)
            }
            result => result,
        }
    }

    fn fetch_dataset(
        &self,
        (dataset, repository): (&HubDataset, &Repository),
        cache: &RepositoryCache,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<DatasetFiles, HubError> {
        let Revision { commit, files } = self.api.revision(repository)?;
        let chosen = choose(dataset, &files)?;
        self.fetch_files((repository, cache), (&commit, &chosen), progress)?;
        cache.remember_listing(&commit, &files)?;
        cache.remember(repository, &commit)?;
        let files = chosen.into_iter().map(|path| (cache.snapshot(&commit).join(&path), path)).collect();
        Ok(DatasetFiles { commit, files, warning: None })
    }
}

/// The files of a commit, where the cache has them all.
fn held(cache: &RepositoryCache, dataset: &HubDataset, commit: &str) -> Option<DatasetFiles> {
    let chosen = choose(dataset, &cache.listing(commit)?).ok()?;
    let place = |path: String| (cache.snapshot(commit).join(&path), path);
    let files: Vec<(PathBuf, String)> = chosen.into_iter().map(place).collect();
    let complete = files.iter().all(|(path, _)| path.is_file());
    complete.then(|| DatasetFiles { commit: commit.to_owned(), files, warning: None })
}

/// The files of the split that is meant: the one written, or the only one.
fn choose(dataset: &HubDataset, listed: &[String]) -> Result<Vec<String>, HubError> {
    let parts: Vec<(&str, &str, &String)> = listed.iter().filter_map(parts).collect();
    if parts.is_empty() {
        return Err(HubError::NoParquet { dataset: dataset.to_string() });
    }
    let configs: BTreeSet<&str> = parts.iter().map(|(config, ..)| *config).collect();
    let config = only(dataset, ("configurations", "config"), dataset.config(), &configs)?;
    let of_config = parts.iter().filter(|(found, ..)| *found == config);
    let splits: BTreeSet<&str> = of_config.clone().map(|(_, split, _)| *split).collect();
    let split = only(dataset, ("splits", "config/split"), dataset.split(), &splits)?;
    let mut files: Vec<String> =
        of_config.filter(|(_, found, _)| *found == split).map(|(.., path)| (*path).clone()).collect();
    files.sort();
    Ok(files)
}

/// `CONFIG/SPLIT/NAME.parquet` in its parts.
fn parts(path: &String) -> Option<(&str, &str, &String)> {
    let (config, rest) = path.split_once('/')?;
    let (split, name) = rest.split_once('/')?;
    let sound = is_portable(path) && !name.contains('/') && name.ends_with(".parquet");
    sound.then_some((config, split, path))
}

fn only<'a>(
    dataset: &HubDataset,
    (what, write): (&'static str, &'static str),
    wanted: Option<&str>,
    known: &BTreeSet<&'a str>,
) -> Result<&'a str, HubError> {
    let found = match wanted {
        Some(wanted) => known.iter().find(|known| **known == wanted),
        None if known.len() == 1 => known.first(),
        None => None,
    };
    found.copied().ok_or_else(|| HubError::Choose {
        dataset: dataset.to_string(),
        what,
        write,
        known: known.iter().copied().collect::<Vec<_>>().join(", "),
    })
}
