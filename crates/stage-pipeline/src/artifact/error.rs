//! Why a file could not be attached to a job.

use std::{convert::Infallible, io};

use super::{
    ArtifactName, InvalidArtifactName, MAX_ARTIFACT_BYTES, MAX_ARTIFACT_TYPE_BYTES, MAX_ARTIFACTS,
};
use crate::error::StageError;

/// Why a file could not be attached to a job. It becomes a [`StageError`] with [`Self::code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The name is not one of an artifact.
    #[error(transparent)]
    InvalidName(#[from] InvalidArtifactName),
    /// The media type is not one.
    #[error(
        "'{content_type}' cannot be the media type of an artifact; use one such as 'text/csv', of at most \
         {MAX_ARTIFACT_TYPE_BYTES} printable ASCII characters without quotes and backslashes"
    )]
    InvalidContentType {
        /// The media type, cut.
        content_type: String,
    },
    /// The content exceeds [`MAX_ARTIFACT_BYTES`].
    #[error(
        "the artifact '{name}' has more than {MAX_ARTIFACT_BYTES} bytes; attach it in several files"
    )]
    TooLarge {
        /// The name.
        name: ArtifactName,
    },
    /// The job has [`MAX_ARTIFACTS`] others.
    #[error(
        "the job has {MAX_ARTIFACTS} artifacts, so '{name}' cannot be attached; attach an archive of \
         several files"
    )]
    TooMany {
        /// The name.
        name: ArtifactName,
    },
    /// The file could not be read.
    #[error("the file of an artifact cannot be read: {cause}")]
    Unreadable {
        /// The error of the operating system.
        cause: String,
    },
    /// The file has changed while it was attached.
    #[error("the file of the artifact '{name}' changed while it was attached; close it before")]
    Changed {
        /// The name.
        name: ArtifactName,
    },
    /// The service could not store the content. Another attempt may succeed.
    #[error("the artifact '{name}' could not be stored: {cause}")]
    NotStored {
        /// The name.
        name: ArtifactName,
        /// The error of the service.
        cause: String,
    },
}

impl ArtifactError {
    /// A file could not be read.
    pub(super) fn unreadable(error: &io::Error) -> Self {
        Self::Unreadable {
            cause: error.to_string(),
        }
    }

    /// The code of the stage's error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidName(_) | Self::InvalidContentType { .. } => "invalid_artifact",
            Self::TooLarge { .. } => "artifact_too_large",
            Self::TooMany { .. } => "too_many_artifacts",
            Self::Unreadable { .. } => "artifact_unreadable",
            Self::Changed { .. } => "artifact_changed",
            Self::NotStored { .. } => "artifact_not_stored",
        }
    }
}

/// [`ArtifactError::NotStored`] allows another attempt at the stage.
impl From<ArtifactError> for StageError {
    fn from(error: ArtifactError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        if matches!(error, ArtifactError::NotStored { .. }) {
            return Self::temporary(code, message);
        }
        Self::failed(code, message)
    }
}

impl From<InvalidArtifactName> for StageError {
    fn from(error: InvalidArtifactName) -> Self {
        ArtifactError::from(error).into()
    }
}

/// For the name of [`Progress::attach`](crate::Progress::attach), which may be an [`ArtifactName`].
impl From<Infallible> for StageError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
