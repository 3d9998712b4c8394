//! Reads a template from a file or a git revision.

use std::{
    convert::Infallible,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use serde::Serialize;

use crate::document::{ReadError, TemplateDocument};

/// The origin of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A git revision that has the template as a file.
    Revision(String),
}

/// Why a template cannot be read from its [`Source`].
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("'{}' cannot be read: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// Git cannot be started.
    #[error(
        "'{revision}' is not a file, and git, which may have it as a revision, cannot be started: {cause}"
    )]
    NoGit {
        /// The revision.
        revision: String,
        /// The cause.
        cause: io::Error,
    },
    /// Neither a file nor a revision.
    #[error(
        "'{revision}' is neither a file nor a git revision that has {}; git reports: {answer}",
        template.display()
    )]
    Revision {
        /// The text that was given.
        revision: String,
        /// The path of the template, relative to the folder in which git runs.
        template: PathBuf,
        /// The error output of git.
        answer: String,
    },
    /// The content is not a template.
    #[error("{origin} cannot be compared: {cause}")]
    NoTemplate {
        /// The origin of the content.
        origin: Source,
        /// The cause.
        cause: ReadError,
    },
}

impl FromStr for Source {
    type Err = Infallible;

    /// The path of an existing file, or a git revision.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let path = PathBuf::from(text);
        Ok(if path.is_file() {
            Self::File(path)
        } else {
            Self::Revision(text.to_owned())
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "'{}'", path.display()),
            Self::Revision(revision) => write!(formatter, "revision '{revision}'"),
        }
    }
}

impl Source {
    /// Reads the template. In a revision it is the file `template`, relative to `folder`, which is in the
    /// working tree of the repository.
    pub fn read(&self, folder: &Path, template: &Path) -> Result<TemplateDocument, SourceError> {
        let text = match self {
            Self::File(path) => fs::read_to_string(path).map_err(|cause| SourceError::File {
                path: path.clone(),
                cause,
            })?,
            Self::Revision(revision) => show(revision, folder, template)?,
        };
        TemplateDocument::parse(&text).map_err(|cause| SourceError::NoTemplate {
            origin: self.clone(),
            cause,
        })
    }
}

fn show(revision: &str, folder: &Path, template: &Path) -> Result<String, SourceError> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["show", "--end-of-options"])
        .arg(format!("{revision}:./{}", template.display()))
        .output()
        .map_err(|cause| SourceError::NoGit {
            revision: revision.to_owned(),
            cause,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let answer = String::from_utf8_lossy(&output.stderr);
    Err(SourceError::Revision {
        revision: revision.to_owned(),
        template: template.to_owned(),
        answer: answer.trim().replace('\n', " "),
    })
}
