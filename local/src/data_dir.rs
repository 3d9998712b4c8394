//! The folder that keeps data between runs belongs to one stack at a time: two would read each other's
//! queued messages once and overwrite the rest.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use crate::error::StartError;

/// The file that a stack locks as long as it runs. The operating system releases the lock when the
/// process ends, however it ends.
const LOCK: &str = "stack.lock";

/// A folder that no other stack uses.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder unless it exists, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
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
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                // Windows does not let others read a locked file; the folder is named all the same.
                let _ = lock.read_to_string(&mut process);
                return Err(StartError::FolderInUse {
                    path: path.to_owned(),
                    process: process.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // For the message of the next stack only.
        let noted = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        noted.map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// A file or folder in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_in_use_is_refused_until_its_stack_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let first = DataDir::open(&path).expect("it is free");
        let error = DataDir::open(&path).expect_err("it is in use");
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        let process = format!("process {}", std::process::id());
        assert!(message.contains(&process), "{message}");
        drop(first);
        DataDir::open(&path).expect("it is free again");
    }
}
