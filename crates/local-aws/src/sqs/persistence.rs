//! Persists messages as one file each, so that a killed stack loses none of them.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::message::Message;

/// The folder that holds the messages of one queue.
#[derive(Debug)]
pub(super) struct MessageFolder(PathBuf);

impl MessageFolder {
    /// Creates the folder if necessary.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// The messages in the folder, oldest first. Logs a warning for a file that is not a message, and
    /// leaves it there.
    pub(super) fn messages(&self) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            match read(&path) {
                Ok(message) => messages.push(message),
                Err(error) => tracing::warn!("{} is not a message: {error}", path.display()),
            }
        }
        messages.sort_by(|one, other| (one.sent, &one.id).cmp(&(other.sent, &other.id)));
        Ok(messages)
    }

    /// Writes a message, replacing its earlier state.
    pub(super) fn write(&self, message: &Message) {
        let file = self.file(message);
        let part = file.with_extension("part");
        let written = serde_json::to_vec(message)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&part, text))
            // A stack that is killed before the rename leaves the earlier state.
            .and_then(|()| fs::rename(&part, &file));
        if let Err(error) = written {
            tracing::error!(
                "{} cannot be written, so the message ends with the stack: {error}",
                file.display()
            );
        }
    }

    /// Removes a message.
    pub(super) fn remove(&self, message: &Message) {
        let file = self.file(message);
        if let Err(error) = fs::remove_file(&file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::error!(
                "{} cannot be deleted, so the next start restores the message: {error}",
                file.display()
            );
        }
    }

    fn file(&self, message: &Message) -> PathBuf {
        self.0.join(&message.id).with_extension("json")
    }
}

fn read(path: &Path) -> io::Result<Message> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
