//! What has to be known before anything is built: who deploys, where to, onto what.

use std::cell::RefCell;

use infra_gen::{
    deploy::{
        ArtifactBucket, DeployedStack, DeployedTemplate, Presence, Session, StackName, StackState,
        Values,
    },
    environments::Environment,
};

use super::{Arguments, ensure_updatable::ensure_updatable, execution::InterruptState, logging};
use crate::commands::{ownership::must_be_ours, terminal::Terminal};

/// Where a deployment takes place, and what it meets there.
#[derive(Debug)]
pub(super) struct DeployContext {
    pub(super) session: Session,
    pub(super) name: StackName,
    /// The stack, if there is one with something in it.
    pub(super) stack: Option<DeployedStack>,
    pub(super) bucket: ArtifactBucket,
    pub(super) bucket_is: Presence,
}

impl DeployContext {
    pub(super) async fn preflight(
        arguments: &Arguments,
        environment: &Environment,
        description: &str,
        interrupt_state: &RefCell<InterruptState>,
        terminal: &mut Terminal,
    ) -> anyhow::Result<Self> {
        let session = arguments.target.session().await?;
        let name = arguments.target.stack_name()?;
        terminal.start("looking at the account");
        let caller = session.caller().await?;
        terminal.done(format!(
            "{name} in {}, account {} (as {})",
            session.region, caller.account, caller.arn
        ));
        if let Some(endpoint) = session.plain_http_endpoint() {
            terminal.warn(without_tls(endpoint));
        }
        let stack = DeployedStack::find(&session, name.as_str()).await?;
        // What has nothing in it has neither tags nor a description.
        if let Some(stack) = &stack
            && stack.status.state() != StackState::Empty
        {
            must_be_ours(stack, environment, description)?;
        }
        let stack = ensure_updatable(stack, arguments, &session, interrupt_state, terminal).await?;
        logging::ensure(&session, arguments, environment, interrupt_state, terminal).await?;
        let bucket = ArtifactBucket::new(arguments.artifact_bucket.as_deref(), &caller, &session);
        Ok(Self {
            bucket_is: bucket.find(&session).await?,
            bucket,
            session,
            name,
            stack,
        })
    }

    /// Whether just this is deployed already. It is not if the last deployment was undone.
    pub(super) fn is_deployed(
        &self,
        text: &str,
        parameters: &Values,
        deployed: Option<&DeployedTemplate>,
    ) -> bool {
        let (Some(stack), Some(deployed)) = (&self.stack, deployed) else {
            return false;
        };
        stack.status.is_success()
            && deployed.text == text
            && stack.parameters.len() == parameters.len()
            && parameters
                .iter()
                .all(|(name, value)| stack.parameters.get(name) == Some(value))
    }
}

/// The warning about an endpoint that does not speak TLS. Emulators that do not enforce IAM serve
/// the stack all the same, so this is no error.
fn without_tls(endpoint: &str) -> String {
    format!(
        "the endpoint {endpoint} does not speak TLS. The bucket policy of the stack (Sid OnlyByTls) \
         denies every request without TLS: if the emulator enforces IAM policies, POST /v1/jobs \
         fails with 500 `internal`.\n  help: start the emulator with TLS and give its https:// \
         address; tests/conformance/emulator.py shows how"
    )
}
