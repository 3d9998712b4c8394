//! `request_status`.

use stagecast_contract::{
    messages::{RequestStatus, ServerMessage, StatusReply},
    owner_tokens::Scope,
};

use super::{
    MessageError,
    access::{self, Given},
    activity,
};
use crate::{context::Context, invocation::Invocation, reply};

pub(super) async fn handle(
    context: &Context,
    invocation: &Invocation,
    request_id: &str,
    message: RequestStatus,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let (job_id, key) = (&message.job_id, message.access_key.as_ref());
    let given = Given::verify(context, Scope::Watch, key, message.token.as_ref()).await?;
    let job = access::load_job(context, invocation, job_id, &given).await?;
    let before_last = job.seq.saturating_sub(1);
    let last = context.events.between(job_id, before_last, job.seq).await?;
    let artifacts = context.artifacts.load(&job).await?.all();
    let status = ServerMessage::JobStatus(StatusReply {
        snapshot: job.snapshot_with(last.last(), artifacts),
        request_id: request_id.to_owned(),
        timestamp: context.clock.now(),
    });
    reply::send(context, invocation, &status).await;
    Ok(())
}
