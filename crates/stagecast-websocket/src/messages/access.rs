//! The permission to read or to cancel a job.

use stagecast_contract::{
    ids::{AccessKey, JobId, OwnerToken},
    messages::ErrorCode,
    owner_tokens::Scope,
};
use stagecast_core::{
    models::Job,
    owner_tokens::{JobCredential, OwnerAccess},
};

use super::MessageError;
use crate::{context::Context, invocation::Invocation};

/// What a message gives to open a job.
pub(super) struct Given<'a> {
    access_key: Option<&'a AccessKey>,
    access: Option<OwnerAccess>,
}

impl<'a> Given<'a> {
    /// Verifies the token, if there is one. It counts, and not the access key, if both are given.
    pub(super) async fn verify(
        context: &Context,
        scope: Scope,
        access_key: Option<&'a AccessKey>,
        token: Option<&OwnerToken>,
    ) -> Result<Self, MessageError> {
        let now = context.clock.now();
        let access = match token {
            Some(token) => {
                let verified = context.owner_tokens.verify(token.reveal(), scope, now);
                Some(verified.await?)
            }
            None => None,
        };
        Ok(Self { access_key, access })
    }

    /// What opens the job; none if the subscription of the connection has to.
    pub(super) fn credential(&self) -> Option<JobCredential<'_>> {
        let token = self.access.as_ref().map(JobCredential::Token);
        token.or(self.access_key.map(JobCredential::AccessKey))
    }

    /// The error for a job that it does not open.
    pub(super) fn forbidden(&self) -> MessageError {
        if self.access.is_some() {
            return not_of_token();
        }
        forbidden()
    }
}

/// Loads the job if `given` opens it or, without a key and a token, if the connection is subscribed to it.
pub(super) async fn load_job(
    context: &Context,
    invocation: &Invocation,
    job_id: &JobId,
    given: &Given<'_>,
) -> Result<Job, MessageError> {
    let connection_id = &invocation.connection_id;
    if let Some(credential) = given.credential() {
        let job = context.jobs.load(job_id).await?;
        return job
            .filter(|job| credential.opens(job))
            .ok_or_else(|| given.forbidden());
    }
    let connections = &context.connections;
    let subscription = connections.subscription(connection_id, job_id).await?;
    let token = subscription.ok_or_else(forbidden)?.token;
    if token.is_some_and(|token| token.has_expired(context.clock.now())) {
        return Err(token_expired(job_id));
    }
    let job = context.jobs.load(job_id).await?;
    job.ok_or_else(|| {
        MessageError::new(
            ErrorCode::JobNotFound,
            format!("the job {job_id} is no longer kept"),
        )
    })
}

/// The error of a request that relies on a subscription whose token has expired.
pub(super) fn token_expired(job_id: &JobId) -> MessageError {
    MessageError::new(
        ErrorCode::TokenExpired,
        "the token of the subscription has expired; send `authenticate` with a new token, or a `token` with this message",
    )
    .with("job_id", job_id.as_str())
}

/// The same message for a job of another owner and for an unknown job.
fn not_of_token() -> MessageError {
    MessageError::new(
        ErrorCode::Forbidden,
        "the owner of the token has no such job, or the token is limited to another job or to other labels",
    )
}

/// The same message for a wrong key and for an unknown job, so that it does not reveal whether the job
/// exists.
pub(super) fn forbidden() -> MessageError {
    MessageError::new(
        ErrorCode::Forbidden,
        "the access_key is missing or does not open this job; send the one that POST /v1/jobs \
         answered with",
    )
}
