//! The services that keep something: tables, objects, queued messages.

use std::{io, path::PathBuf, sync::Arc};

use crate::{
    dynamodb::DynamoDb, error::StartError, options::Options, s3::S3, sqs::Sqs, template::System,
};

/// The services, on what the options name or on what ends with the stack.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) dynamodb: DynamoDb,
    pub(crate) s3: S3,
    pub(crate) sqs: Arc<Sqs>,
    /// Where queued messages wait for the next start.
    queue_file: Option<PathBuf>,
    /// Holds what is not kept.
    _scratch: tempfile::TempDir,
}

impl Storage {
    /// Opens the services with the tables, buckets and queues of the system.
    pub(crate) fn open(
        options: &Options,
        system: &System,
        secret: &str,
    ) -> Result<Self, StartError> {
        let scratch = tempfile::tempdir().map_err(|source| StartError::Folder {
            path: std::env::temp_dir(),
            source,
        })?;
        let kept = options.data_dir.as_deref();
        let objects = kept.unwrap_or_else(|| scratch.path()).join("objects");
        std::fs::create_dir_all(&objects).map_err(|source| StartError::Folder {
            path: objects.clone(),
            source,
        })?;
        let dynamodb = DynamoDb::open(kept.map(|folder| folder.join("tables.sqlite")).as_deref())?;
        for (table, time_to_live) in &system.tables {
            dynamodb.create_table(table, time_to_live.as_deref())?;
        }
        let sqs = Arc::new(Sqs::new(&system.queues));
        let queue_file = kept.map(|folder| folder.join("queues.json"));
        if let Some(file) = &queue_file {
            sqs.restore(file);
        }
        Ok(Self {
            dynamodb,
            s3: S3::open(&objects, &system.buckets, secret)?,
            sqs,
            queue_file,
            _scratch: scratch,
        })
    }

    /// Writes what is not on disk yet, if it is to be kept.
    pub(crate) fn keep(&self) -> io::Result<()> {
        match &self.queue_file {
            Some(file) => self.sqs.keep(file),
            None => Ok(()),
        }
    }
}
