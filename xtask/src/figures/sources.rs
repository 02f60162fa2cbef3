//! What a figure measures of the workspace, and the hash by which a record says whether that has changed since.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::process;

/// Crates whose sources decide what a figure gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measured {
    /// Reading, checking and splitting rows.
    Data,
    /// Everything between rows and a scored version.
    Learning,
    /// One training step.
    Step,
    /// The engine of encoders, without a server.
    Engine,
    /// A loaded model, with or without a server before it.
    Answering,
    /// The whole workspace.
    Whole,
}

impl Measured {
    fn folders(self) -> &'static [&'static str] {
        match self {
            Self::Data => &["data", "text"],
            Self::Learning => &["data", "infer", "kernels", "models", "nn", "text", "train"],
            Self::Step => &["kernels", "models", "nn"],
            Self::Engine => &["kernels", "models", "text"],
            Self::Answering => &["infer", "kernels", "models", "serve", "store", "text"],
            Self::Whole => &[""],
        }
    }

    /// Hash of the sources as `commit` has them, twelve digits: of those that the measured binary is compiled of, so not of unit tests
    /// in files of their own, nor of what a build with `gpu` adds, which no figure measures.
    ///
    /// # Errors
    /// When the commit is not in the history that is there.
    pub(crate) fn hash(self, root: &Path, commit: &str) -> Result<String> {
        let paths = self.folders().iter().map(|folder| match *folder {
            "" => "crates".to_owned(),
            folder => format!("crates/{folder}/src"),
        });
        let mut files = Command::new("git");
        files
            .current_dir(root)
            .stderr(Stdio::null())
            .args(["ls-tree", "-r", "--full-tree", commit])
            .args(paths);
        let files = files.output().context("git cannot be started")?;
        anyhow::ensure!(files.status.success(), "the commit {commit} is not in the history that is there");
        let files = String::from_utf8(files.stdout).context("git names a file that is no text")?;
        let measured: String =
            files.lines().filter(|line| is_measured(line)).fold(String::new(), |all, line| all + line + "\n");
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), measured)?;
        let hash = process::output(Command::new("git").arg("hash-object").arg(file.path()))?;
        Ok(hash.trim().chars().take(12).collect())
    }
}

/// Whether the measured binary is compiled of this file.
fn is_measured(path: &str) -> bool {
    !path.ends_with("/gpu.rs") && !path.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn git(folder: &Path, arguments: &[&str]) {
        let author = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
        let mut git = Command::new("git");
        git.current_dir(folder).stdout(Stdio::null()).args(author).args(arguments);
        assert!(git.status().unwrap().success(), "git {arguments:?}");
    }

    #[test]
    fn a_hash_changes_with_its_sources_alone() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["data", "infer", "kernels", "models", "nn", "serve", "store", "text", "train"] {
            std::fs::create_dir_all(root.join("crates").join(name).join("src")).unwrap();
            std::fs::write(root.join("crates").join(name).join("src/lib.rs"), name).unwrap();
        }
        let parts =
            [Measured::Data, Measured::Learning, Measured::Step, Measured::Answering, Measured::Whole];
        let hashes = || parts.map(|part| part.hash(root, "HEAD").unwrap());
        git(root, &["init", "--quiet"]);
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "-m", "a"]);
        let before = hashes();
        std::fs::write(root.join("crates/train/src/lib.rs"), "changed").unwrap();
        git(root, &["commit", "--quiet", "-a", "-m", "b"]);
        let same: Vec<bool> = before.iter().zip(&hashes()).map(|(before, now)| before == now).collect();
        assert_eq!(same, [true, false, true, true, false]);
        let before = hashes();
        for unmeasured in ["gpu.rs", "tests.rs"] {
            std::fs::write(root.join("crates/train/src").join(unmeasured), "added").unwrap();
        }
        git(root, &["add", "."]);
        git(root, &["commit", "--quiet", "-m", "c"]);
        assert_eq!(before, hashes());
        assert!(Measured::Data.hash(root, "0000000000000000").is_err());
    }
}
