//! The process of a server. It leads a group of its own, which ends with it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time that a process gets to end on its own.
const GRACE: Duration = Duration::from_secs(5);
/// Pause between two looks at a process that is told to end.
const LOOK: Duration = Duration::from_millis(20);

/// A running process; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Process(Child);

impl Process {
    /// Starts a command in a folder, by the launcher where there is one. What it prints goes to standard error, which answers of
    /// Loquat do not use.
    pub(super) fn start(command: &[String], launcher: &[OsString], folder: &Path) -> Result<Self, String> {
        let words: Vec<OsString> =
            launcher.iter().cloned().chain(command.iter().map(OsString::from)).collect();
        let [program, arguments @ ..] = &words[..] else { return Err("the command is empty".to_owned()) };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(std::io::stderr());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().map(Self).map_err(|error| format!("{program:?} can't be started: {error}"))
    }

    /// How it ended, where it did.
    pub(super) fn ended(&mut self) -> Option<String> {
        match self.0.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(format!("it ended with {status}")),
            Err(error) => Some(format!("it can't be watched: {error}")),
        }
    }

    /// Tells the whole group.
    fn tell(&mut self, forcefully: bool) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process_group};
            let signal = if forcefully { Signal::KILL } else { Signal::TERM };
            if let Ok(pid) = i32::try_from(self.0.id())
                && let Some(pid) = Pid::from_raw(pid)
            {
                // A group that has ended already needs no telling.
                let _ = kill_process_group(pid, signal);
            }
        }
        #[cfg(not(unix))]
        let _ = forcefully;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
        if running(&mut self.0) {
            self.tell(false);
            let start = Instant::now();
            while running(&mut self.0) && start.elapsed() < GRACE {
                std::thread::sleep(LOOK);
            }
        }
        // What it started may outlive it.
        self.tell(true);
        // One that has ended can't be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
