//! Messages on disk, a file each, so that a stack that is killed has lost none of them.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::queue::Message;

/// The folder that holds the messages of one queue.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder unless it is there.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    /// The messages in it, oldest first. A file that is no message stays, and is told of.
    pub(super) fn messages(&self) -> io::Result<Vec<Message>> {
        let mut messages = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            match read(&path) {
                Ok(message) => messages.push(message),
                Err(error) => tracing::warn!("{} is not read: {error}", path.display()),
            }
        }
        messages.sort_by(|one, other| (one.sent, &one.id).cmp(&(other.sent, &other.id)));
        Ok(messages)
    }

    /// Writes a message, in place of what the file of it said.
    pub(super) fn write(&self, message: &Message) {
        let file = self.file(message);
        let part = file.with_extension("part");
        let written = serde_json::to_vec(message)
            .map_err(io::Error::from)
            .and_then(|text| fs::write(&part, text))
            // Whoever is killed in between leaves the message as it was.
            .and_then(|()| fs::rename(&part, &file));
        if let Err(error) = written {
            tracing::error!(
                "{} is not written, so the message ends with the stack: {error}",
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
            tracing::error!("{} comes back, for it stays: {error}", file.display());
        }
    }

    fn file(&self, message: &Message) -> PathBuf {
        self.0.join(&message.id).with_extension("json")
    }
}

fn read(path: &Path) -> io::Result<Message> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}
