//! Executing a change set, once, although the call may have to be made again.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::{
    CallError, ChangeSet, ChangeSetError, DeployedStack, Events, Session, StackState,
    call::Attempt as _,
};

impl ChangeSet {
    /// Has CloudFormation do it. What it makes and cannot finish goes again, even if the template
    /// retains it: there is nothing in it yet, and it would stand in the way of the next attempt.
    /// Tables that are protected stay even so.
    pub async fn execute(&self, session: &Session, stack: &str) -> Result<(), ChangeSetError> {
        let token = self.token();
        let request = session.cloudformation.execute_change_set();
        let answer = request
            .change_set_name(&self.id)
            .client_request_token(&token)
            .retain_except_on_create(true)
            .send()
            .await;
        let answer = answer.attempt(|| format!("execute the change set of the stack {stack}"));
        let Err(error) = answer else {
            return Ok(());
        };
        let is_gone = error.is("InvalidChangeSetStatus") || error.is("ChangeSetNotFound");
        if !is_gone {
            return Err(error.into());
        }
        // A call that arrived, and whose answer did not, is made again and finds itself done.
        if self.has_begun(session, stack, &token).await? {
            return Ok(());
        }
        Err(ChangeSetError::Overtaken {
            stack: stack.to_owned(),
            status: error.answer,
        })
    }

    /// What its events are known by.
    fn token(&self) -> String {
        format!(
            "stagecast-{}",
            &format!("{:x}", Sha256::digest(&self.id))[..32]
        )
    }

    /// Whether the stack is being changed, or was, because this was executed. Events come a little
    /// later than what they tell.
    async fn has_begun(
        &self,
        session: &Session,
        stack: &str,
        token: &str,
    ) -> Result<bool, CallError> {
        for pause in [0, 1, 2, 4] {
            sleep(Duration::from_secs(pause)).await;
            let events = Events::newest(session, &self.stack_id, stack).await?;
            if events.iter().any(|it| it.token.as_deref() == Some(token)) {
                return Ok(true);
            }
            let found = DeployedStack::find(session, &self.stack_id).await?;
            if found.is_none_or(|stack| stack.status.state() != StackState::Busy) {
                return Ok(false);
            }
        }
        Ok(false)
    }
}
