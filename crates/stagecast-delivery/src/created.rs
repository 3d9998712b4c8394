//! Notifies the feed of an owner of a new job.
//!
//! The task is queued before the job is stored, so that no crash loses it. It is executed before the job exists if the request
//! takes long, and finds none at all if the request fails.

use bytes::Bytes;
use stagecast_contract::{
    messages::{OwnedJobCreated, ServerMessage},
    queues::{DeliveryQueue, DeliveryTask},
};
use stagecast_core::{delivery::Outgoing, models::Job};

use crate::{context::Context, error::DeliveryError};

/// Seconds until a task is executed again that found no job.
const RETRY_SECONDS: i32 = 5;

/// The message of a new job. As the first message of the job, it is delivered like a durable one.
pub(crate) fn message(context: &Context, job: &Job) -> Outgoing {
    let created = ServerMessage::JobCreated(OwnedJobCreated {
        job_id: job.job_id.clone(),
        status: job.snapshot(),
        timestamp: context.clock.now(),
    });
    Outgoing::Durable {
        seq: 0,
        message: Bytes::from(created.to_json()),
    }
}

/// Queues the task of a job that does not exist once more, unless the request that creates it has ended by now.
pub(crate) async fn retry(
    context: &Context,
    task: DeliveryTask,
    give_up_at: i64,
) -> Result<(), DeliveryError> {
    if context.clock.now().epoch_seconds() >= give_up_at {
        return Ok(());
    }
    context
        .queues
        .send::<DeliveryQueue>(&task, RETRY_SECONDS)
        .await?;
    Ok(())
}
