//! Where the template comes from that the code's is compared with.

use std::{
    convert::Infallible,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use serde::Serialize;

use super::{ReadError, TemplateDocument};

/// Where a template comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A generated template as it is in a git revision.
    Revision(String),
}

/// Why there is no template.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("'{}' cannot be read: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Git cannot be started.
    #[error(
        "'{revision}' is no file, and git, which could know it as a revision, cannot be started: \
         {cause}"
    )]
    NoGit {
        /// The revision.
        revision: String,
        /// Why.
        cause: io::Error,
    },
    /// Neither a file nor a revision.
    #[error(
        "'{revision}' is neither a file nor a git revision that holds {}; git says: {answer}",
        template.display()
    )]
    Revision {
        /// What was given.
        revision: String,
        /// What it should hold.
        template: PathBuf,
        /// What git says.
        answer: String,
    },
    /// What is there is no template.
    #[error("{origin} cannot be compared: {cause}")]
    NoTemplate {
        /// Where it is from.
        origin: Source,
        /// Why.
        cause: ReadError,
    },
}

impl FromStr for Source {
    type Err = Infallible;

    /// What is a file is meant as one; everything else is a revision.
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
    /// Reads the template. `generated` is where it is in a revision of the repository that `workspace`
    /// is in, seen from there.
    pub fn read(
        &self,
        workspace: &Path,
        generated: &Path,
    ) -> Result<TemplateDocument, SourceError> {
        let text = match self {
            Self::File(path) => fs::read_to_string(path).map_err(|cause| SourceError::File {
                path: path.clone(),
                cause,
            })?,
            Self::Revision(revision) => show(revision, workspace, generated)?,
        };
        TemplateDocument::parse(&text).map_err(|cause| SourceError::NoTemplate {
            origin: self.clone(),
            cause,
        })
    }
}

fn show(revision: &str, workspace: &Path, generated: &Path) -> Result<String, SourceError> {
    let output = Command::new("git")
        .current_dir(workspace)
        .args(["show", "--end-of-options"])
        .arg(format!("{revision}:./{}", generated.display()))
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
        template: generated.to_owned(),
        answer: answer.trim().replace('\n', " "),
    })
}
