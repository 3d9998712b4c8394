//! `cancel_job`.

use stagecast_contract::{
    messages::{CancelJob, CancelRequested, ErrorCode, ServerMessage},
    owner_tokens::Scope,
};
use stagecast_core::cancellation::Cancellation;

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
    message: CancelJob,
) -> Result<(), MessageError> {
    activity::record(context, invocation).await?;
    let (job_id, key) = (&message.job_id, message.access_key.as_ref());
    let given = Given::verify(context, Scope::Cancel, key, message.token.as_ref()).await?;
    let job = access::load_job(context, invocation, job_id, &given).await?;
    // The connection may be subscribed by a token that permits only to watch.
    if job.owner.is_some() && given.credential().is_none() {
        return Err(MessageError::new(
            ErrorCode::Forbidden,
            "the job has an owner; send a `token` with the scope `cancel`, or the `access_key` of the job",
        ));
    }
    match context.canceller.cancel(job_id).await? {
        Cancellation::Requested => {
            let requested = ServerMessage::CancelRequested(CancelRequested {
                job_id: message.job_id,
                request_id: request_id.to_owned(),
                timestamp: context.clock.now(),
            });
            reply::send(context, invocation, &requested).await;
            Ok(())
        }
        Cancellation::AlreadyFinished(_) => Err(MessageError::new(
            ErrorCode::JobAlreadyFinished,
            "the job has ended, there is nothing to cancel; request_status returns how it ended",
        )),
    }
}
