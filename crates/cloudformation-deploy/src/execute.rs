//! Executes a change set once, even if the SDK repeats the call.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    CallError, ChangeSet, ChangeSetError, CloudFormation, DeployedStack, Events, StackState,
    call_error::Attempt as _,
};

impl ChangeSet {
    /// Starts the execution.
    ///
    /// A rollback deletes the resources that this execution creates, even if the template retains
    /// them: they hold no data yet, and would block the next attempt with their names. Tables with
    /// deletion protection remain nevertheless.
    pub async fn execute(&self, aws: &CloudFormation, stack: &str) -> Result<(), ChangeSetError> {
        let token = &self.token;
        let request = aws.client.execute_change_set();
        let answer = request
            .change_set_name(&self.id)
            .client_request_token(token)
            .retain_except_on_create(true)
            .send()
            .await;
        let answer = answer.attempt(|| format!("execute the change set of the stack {stack}"));
        let Err(error) = answer else {
            return Ok(());
        };
        let is_obsolete = error.is("InvalidChangeSetStatus") || error.is("ChangeSetNotFound");
        if !is_obsolete {
            return Err(error.into());
        }
        // If the answer to the first call was lost, the SDK's retry fails: the execution has begun.
        if self.has_begun(aws, stack).await? {
            return Ok(());
        }
        Err(ChangeSetError::Overtaken {
            stack: stack.to_owned(),
            status: error.answer,
        })
    }

    /// Whether the execution has begun. Events appear with a delay, so it reads them several times.
    async fn has_begun(&self, aws: &CloudFormation, stack: &str) -> Result<bool, CallError> {
        for pause in [0, 1, 2, 4] {
            sleep(Duration::from_secs(pause)).await;
            let events = Events::newest(aws, &self.stack_id, stack).await?;
            if events
                .iter()
                .any(|it| it.token.as_deref() == Some(self.token.as_str()))
            {
                return Ok(true);
            }
            let found = DeployedStack::find(aws, &self.stack_id).await?;
            if found.is_none_or(|stack| stack.status.state() != StackState::InProgress) {
                return Ok(false);
            }
        }
        Ok(false)
    }
}
