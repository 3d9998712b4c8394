//! The folder that keeps data between runs. One stack at a time may use it: each stack reads the
//! queued messages only on start, so two stacks would overwrite each other's.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::error::StartError;

/// The lock file, held while the stack runs. The operating system releases the lock when the process
/// ends, even by SIGKILL.
const LOCK: &str = "stack.lock";

/// How long another holder is waited for: the number of attempts, and the time between two of them. A process that a
/// stack has started holds a copy of its lock between its fork and its exec, also when the stack has just ended.
const LOCK_ATTEMPTS: u32 = 10;
const LOCK_INTERVAL: Duration = Duration::from_millis(50);

/// A data folder, locked for this stack until drop.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    #[cfg_attr(not(test), expect(dead_code, reason = "held until drop"))]
    lock: File,
}

impl DataDir {
    /// Creates the folder if necessary, and locks it. `option` names the folder's option in errors.
    pub(crate) fn open(path: &Path, option: &'static str) -> Result<Self, StartError> {
        let failed = |source| StartError::Folder {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join(LOCK))
            .map_err(failed)?;
        match try_lock(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // Windows does not let others read a locked file. The error then has no process id.
                let _ = lock.read_to_string(&mut process);
                return Err(StartError::FolderInUse {
                    path: path.to_owned(),
                    process: process.trim().parse().ok(),
                    option,
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Only for the error message of the next stack.
        let noted = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        noted.map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// The path of a file or folder in the data folder.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn try_lock(lock: &File) -> Result<(), TryLockError> {
    for _ in 1..LOCK_ATTEMPTS {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_INTERVAL),
            result => return result,
        }
    }
    lock.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_dir_in_use_is_rejected_until_its_stack_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let first = DataDir::open(&path, "--data-dir").expect("the folder is free");
        let error = DataDir::open(&path, "--data-dir").expect_err("the folder is in use");
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        let process = format!("process {}", std::process::id());
        assert!(message.contains(&process), "{message}");
        assert!(message.ends_with("with --data-dir"), "{message}");
        drop(first);
        DataDir::open(&path, "--data-dir").expect("the folder is free again");
    }

    #[test]
    fn data_dir_is_opened_once_a_starting_process_has_closed_its_copy_of_the_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = DataDir::open(folder.path(), "--data-dir").expect("the folder is free");
        let copy = first.lock.try_clone().expect("a copy");
        drop(first);
        let closing = thread::spawn(move || {
            thread::sleep(LOCK_INTERVAL);
            drop(copy);
        });
        DataDir::open(folder.path(), "--data-dir").expect("the folder is free again");
        closing.join().expect("the copy is closed");
    }
}
