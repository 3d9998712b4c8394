//! Finds out, before anything is built, who deploys and in which state the stack is.

use crate::deploy::{ArtifactBucket, BucketStatus, DeployedStack, StackState};

use super::{context::DeployContext, ensure_updatable::ensure_updatable, logging_role};
use crate::commands::{ownership::require_own_stack, stack_error::StackError, terminal::Terminal};

/// What a deployment finds in the account.
#[derive(Debug)]
pub(super) struct DeployTarget {
    /// The stack, unless it has no resources.
    pub(super) stack: Option<DeployedStack>,
    pub(super) bucket: ArtifactBucket,
    pub(super) bucket_status: BucketStatus,
}

/// Checks credentials, the stack's owner and status, the logging role and the artifact bucket.
pub(super) async fn preflight(
    context: &DeployContext,
    terminal: &mut Terminal,
) -> Result<DeployTarget, StackError> {
    let DeployContext {
        request, session, ..
    } = context;
    let name = &request.stack_name;
    terminal.start("checking the account");
    let caller = session.caller().await?;
    terminal.done(format!(
        "{name} in {}, account {} (as {})",
        session.region, caller.account, caller.arn
    ));
    if let Some(endpoint) = session.plain_http_endpoint() {
        terminal.warn(plain_http_warning(endpoint));
    }
    let stack = DeployedStack::find(&session.cloudformation, name.as_str()).await?;
    // A stack without resources has neither tags nor a description.
    if let Some(stack) = &stack
        && stack.status.state() != StackState::Empty
    {
        require_own_stack(
            stack,
            request.project.product.name,
            &request.environment,
            &request.description,
        )?;
    }
    let stack = ensure_updatable(context, stack, terminal).await?;
    logging_role::ensure(context, terminal).await?;
    let bucket = ArtifactBucket::new(request.artifact_bucket.as_deref(), &caller, session);
    Ok(DeployTarget {
        bucket_status: bucket.find(session).await?,
        bucket,
        stack,
    })
}

/// Emulators that do not enforce IAM work without TLS, so this is a warning.
fn plain_http_warning(endpoint: &str) -> String {
    format!(
        "the endpoint {endpoint} does not use TLS. The stack's bucket policy (Sid OnlyByTls) denies \
         every request without TLS: if the emulator enforces IAM policies, POST /v1/jobs fails with \
         500 `internal`.\n  help: start the emulator with TLS and give its https:// address, \
         and name its certificate in SSL_CERT_FILE"
    )
}
