//! The stateful services: tables, objects and queues.

use std::sync::Arc;

use crate::{
    data_dir::DataDir, dynamodb::DynamoDb, error::StartError, s3::S3, sqs::Sqs, template::System,
};

/// The stateful services. Without a data folder, their contents end with the stack.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) dynamodb: DynamoDb,
    pub(crate) s3: S3,
    pub(crate) sqs: Arc<Sqs>,
    /// The objects' folder when there is no data folder; deleted on drop.
    _scratch: tempfile::TempDir,
}

impl Storage {
    /// Opens the services and creates the tables, buckets and queues of `system`.
    pub(crate) fn open(
        data_dir: Option<&DataDir>,
        system: &System,
        secret: &str,
    ) -> Result<Self, StartError> {
        let scratch = tempfile::tempdir().map_err(|source| StartError::Folder {
            path: std::env::temp_dir(),
            source,
        })?;
        let objects = match data_dir {
            Some(folder) => folder.join("objects"),
            None => scratch.path().join("objects"),
        };
        std::fs::create_dir_all(&objects).map_err(|source| StartError::Folder {
            path: objects.clone(),
            source,
        })?;
        let uploads = match data_dir {
            Some(folder) => folder.join("uploads"),
            None => scratch.path().join("uploads"),
        };
        std::fs::create_dir_all(&uploads).map_err(|source| StartError::Folder {
            path: uploads.clone(),
            source,
        })?;
        let dynamodb = DynamoDb::open(
            data_dir
                .map(|folder| folder.join("tables.sqlite"))
                .as_deref(),
        )?;
        for (table, time_to_live) in &system.tables {
            dynamodb.create_table(table, time_to_live.as_deref())?;
        }
        let queues = data_dir.map(|folder| folder.join("queues"));
        let sqs = Arc::new(Sqs::open(&system.queues, queues.as_deref())?);
        Ok(Self {
            dynamodb,
            s3: S3::open(&objects, uploads, &system.buckets, secret)?,
            sqs,
            _scratch: scratch,
        })
    }

    /// The bodies of the messages in a queue, in whatever state, oldest first.
    pub(crate) fn queue_messages(&self, queue: &str) -> Option<Vec<String>> {
        let messages = self.sqs.queue(queue)?.messages().into_iter();
        Some(messages.map(|message| message.body).collect())
    }
}
