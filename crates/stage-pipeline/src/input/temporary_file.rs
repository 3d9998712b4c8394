//! Inputs as files in the temporary directory.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufWriter};

use super::error::InputError;

const PREFIX: &str = "stage-pipeline-input-";

/// Each write of a file is a task on another thread, so small ones are collected.
const WRITE_BUFFER_BYTES: usize = 1024 * 1024;

/// A file that is removed when this value is dropped.
///
/// It is locked while it exists. A file without a lock was left behind by a process that could not remove it;
/// in Lambda, the next process finds it in the same directory. The next input that is written removes it.
#[derive(Debug)]
pub(super) struct TemporaryFile {
    path: PathBuf,
    locked: File,
}

impl TemporaryFile {
    /// Writes everything that `reader` returns to a new file in `directory`. The error is that of `no_room` if
    /// the file system is full.
    pub(super) async fn write(
        directory: &Path,
        reader: &mut (impl AsyncBufRead + Unpin),
        no_room: impl Fn() -> InputError,
    ) -> Result<Self, InputError> {
        let failed = |path: &Path, error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => no_room(),
            _ => InputError::File {
                path: path.to_owned(),
                cause: error.to_string(),
            },
        };
        let created = tokio::task::spawn_blocking({
            let directory = directory.to_owned();
            move || {
                remove_abandoned(&directory);
                Self::create(&directory)
            }
        });
        let created = created
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        let file = created.map_err(|error| failed(directory, error))?;
        let writer = file
            .locked
            .try_clone()
            .map_err(|error| failed(&file.path, error))?;
        let writer = tokio::fs::File::from_std(writer);
        let mut writer = BufWriter::with_capacity(WRITE_BUFFER_BYTES, writer);
        match copy(reader, &mut writer).await {
            Ok(()) => Ok(file),
            Err(CopyError::Read(error)) => Err(super::input_error(error)),
            Err(CopyError::Write(error)) => Err(failed(&file.path, error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn create(directory: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = directory.join(format!("{PREFIX}{}-{number}", std::process::id()));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            // Inputs may be confidential, and the directory may be everyone's.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = match options.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            file.lock()?;
            // Another process may have taken it for abandoned before it was locked.
            if path.exists() {
                return Ok(Self { path, locked: file });
            }
        }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the file of an input could not be removed");
        }
    }
}

enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

async fn copy(
    reader: &mut (impl AsyncBufRead + Unpin),
    writer: &mut (impl AsyncWrite + Unpin),
) -> Result<(), CopyError> {
    loop {
        let bytes = reader.fill_buf().await.map_err(CopyError::Read)?;
        if bytes.is_empty() {
            // Errors of earlier writes are returned here as well.
            return writer.flush().await.map_err(CopyError::Write);
        }
        let length = bytes.len();
        writer.write_all(bytes).await.map_err(CopyError::Write)?;
        reader.consume(length);
    }
}

/// Removes the files of processes that have ended. What cannot be removed is left for the next time.
fn remove_abandoned(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let path = entry.path();
        if let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let name = format!("stage-pipeline-test-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    fn never() -> InputError {
        panic!("the file system is not full")
    }

    #[tokio::test]
    async fn file_is_removed_when_it_is_dropped() {
        let directory = directory("dropped");
        let file = TemporaryFile::write(&directory, &mut &b"abc"[..], never)
            .await
            .unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), b"abc");
        drop(file);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir(directory).unwrap();
    }

    #[tokio::test]
    async fn abandoned_file_is_removed_and_locked_file_is_kept() {
        let directory = directory("abandoned");
        fs::write(directory.join(format!("{PREFIX}1-0")), "of a dead process").unwrap();
        fs::write(directory.join("other"), "of another program").unwrap();
        let first = TemporaryFile::write(&directory, &mut &b"a"[..], never)
            .await
            .unwrap();
        let second = TemporaryFile::write(&directory, &mut &b"b"[..], never)
            .await
            .unwrap();
        assert_eq!(fs::read(first.path()).unwrap(), b"a");
        assert_eq!(fs::read(second.path()).unwrap(), b"b");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
        drop((first, second));
        fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn unusable_directory_is_named() {
        let missing = directory("missing").join("none");
        let error = TemporaryFile::write(&missing, &mut &b"a"[..], never)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, InputError::File { path, .. } if *path == missing),
            "{error}"
        );
        fs::remove_dir(missing.parent().unwrap()).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn full_file_system_is_reported_as_such() {
        let mut full = tokio::fs::File::options()
            .write(true)
            .open("/dev/full")
            .await
            .unwrap();
        let copied = copy(&mut &b"a"[..], &mut full).await;
        let Err(CopyError::Write(error)) = copied else {
            panic!("a full device");
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
