//! The tokens of workers that claim jobs from queues, and listen to them.

use granted_aws::Database;
use stagecast_contract::{
    ids::WorkerToken,
    tables::WorkQueues,
    worker_queues::{DeclaredQueues, QueueName},
};
use typed_contract::{
    functions::Function,
    grants::{GetItem, Granted},
};

use super::StoreError;
use crate::{
    clock::Clock,
    models::{TokenItem as _, WorkerTokenRecord},
};

/// Whether a token allows to claim from a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueAccess {
    /// It does.
    Granted(QueueName),
    /// The token is missing, unknown, revoked or expired.
    InvalidToken,
    /// The token is valid, and the product does not declare the queue.
    UnknownQueue,
    /// The token is valid for other queues.
    Forbidden(QueueName),
}

/// The tokens in `work_queues`.
#[derive(Debug)]
pub struct WorkerTokenStore<F> {
    database: Database<F>,
    clock: Clock,
}

impl<F: Function> WorkerTokenStore<F> {
    /// A store of tokens in the table of `database`.
    pub fn new(database: Database<F>, clock: Clock) -> Self {
        Self { database, clock }
    }

    /// Whether `token` allows to claim from the queue named `queue`. Only the holder of a valid token learns
    /// whether the queue exists. A malformed token is refused without a read.
    pub async fn load_and_verify(
        &self,
        token: Option<&WorkerToken>,
        queue: &str,
        declared: &DeclaredQueues,
    ) -> Result<QueueAccess, StoreError>
    where
        F: Granted<GetItem<WorkQueues>>,
    {
        let Some((token, id)) = token.and_then(|token| Some((token, token.id()?))) else {
            return Ok(QueueAccess::InvalidToken);
        };
        let answer = self
            .database
            .get_item(&WorkerTokenRecord::key_of(id))
            // A token is valid as soon as the operator has made it.
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::of("reading the worker token"))?;
        let record = answer.item.map(WorkerTokenRecord::from_dynamodb_item);
        let record = record.transpose()?;
        let Some(record) = record.filter(|record| record.verify(token, self.clock.now())) else {
            return Ok(QueueAccess::InvalidToken);
        };
        let Some(queue) = declared.find(queue) else {
            return Ok(QueueAccess::UnknownQueue);
        };
        Ok(if record.allows(queue) {
            QueueAccess::Granted(queue.clone())
        } else {
            QueueAccess::Forbidden(queue.clone())
        })
    }
}
