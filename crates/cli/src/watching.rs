//! The folder of resources, followed while it is served.
//!
//! A thread looks at the resource files. Once a change stands still, it reads all of them; where they break a rule it says
//! so and changes nothing, else models are imported (with `up`, trainings run too) and the server gets the resources.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use loquat_spec::{ErrorCode, Resources};
use tokio::sync::watch;

use crate::context::Context;
use crate::failure::Failure;
use crate::{findings, imports, output, resources};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(400);

/// What is done with resources that changed, before the server gets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Models are imported.
    Import,
    /// Models are imported, and what changed is trained.
    #[cfg(feature = "train")]
    Train,
}

/// A folder as it is when its resources are about to be read.
#[derive(Debug)]
pub(crate) struct Watched {
    folder: PathBuf,
    work: Work,
    seen: Stamps,
}

/// The resource files of a folder with what changes when they do; none where it can't be read.
type Stamps = Option<Vec<(PathBuf, SystemTime, u64)>>;

impl Watched {
    /// The folder as it is now.
    pub(crate) fn new(folder: &Path, work: Work) -> Self {
        Self { folder: folder.to_owned(), work, seen: stamps(folder) }
    }

    /// Follows the folder until the process ends; after each change the receiver gets its resources.
    pub(crate) fn follow(mut self, context: &Context) -> Result<watch::Receiver<Resources>, Failure> {
        let (tell, told) = watch::channel(Resources::default());
        let context = context.clone();
        let follow = move || {
            // A thread that waits for a change holds nothing open, so that it may be cut off at any time.
            while !tell.is_closed() {
                std::thread::sleep(LOOK);
                if !self.changed() {
                    continue;
                }
                match self.read(&context) {
                    Ok(resources) => {
                        output::say(&format!("{}: resources taken over", self.folder.display()));
                        tell.send_replace(resources);
                    }
                    Err(failure) => {
                        if let Some(text) = failure.text() {
                            output::say(text);
                        }
                        output::say(&format!("{}: nothing was changed", self.folder.display()));
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("loquat-folder".to_owned()).spawn(follow);
        thread.map(|_| told).map_err(|error| {
            Failure::new(
                ErrorCode::Unavailable,
                format!("cannot start the thread that follows the folder: {error}"),
            )
        })
    }

    /// Whether the files differ from those seen last and stand still: one that is being written is not read.
    fn changed(&mut self) -> bool {
        let now = stamps(&self.folder);
        if now == self.seen {
            return false;
        }
        std::thread::sleep(LOOK);
        if stamps(&self.folder) != now {
            return false;
        }
        self.seen = now;
        true
    }

    fn read(&self, context: &Context) -> Result<Resources, Failure> {
        let read = resources::read(&self.folder)?.map_err(|found| {
            findings::say(&found, context.style.stderr);
            Failure::silent(ErrorCode::Invalid)
        })?;
        self.prepare(context, &read)?;
        Ok(read)
    }

    fn prepare(&self, context: &Context, resources: &Resources) -> Result<(), Failure> {
        let folder = self.folder.as_path();
        match self.work {
            Work::Import => {
                let plan = imports::Plan { folder, resources, names: &[], force: false, dry_run: false };
                imports::import(context, plan)
            }
            #[cfg(feature = "train")]
            Work::Train => {
                use crate::commands::train::{Plan, Source, train_folder};
                let interrupt = crate::interrupt::Interrupt::detached();
                train_folder(context, &interrupt, Source { folder, resources }, Plan::default()).map(drop)
            }
        }
    }
}

fn stamps(folder: &Path) -> Stamps {
    let paths = resources::paths(folder).ok()?;
    let stamp = |path: PathBuf| {
        let metadata = std::fs::metadata(&path).ok()?;
        Some((path, metadata.modified().ok()?, metadata.len()))
    };
    Some(paths.into_iter().filter_map(stamp).collect())
}
