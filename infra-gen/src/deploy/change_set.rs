//! Change sets: the only way in which resources change.

use std::time::Duration;

use aws_sdk_cloudformation::{
    operation::describe_change_set::DescribeChangeSetOutput,
    types::{
        Capability, ChangeAction, ChangeSetStatus, ChangeSetType, ChangeSource, EventFilter,
        Parameter, Replacement, ResourceChange, Tag,
    },
};
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::{
    CallError, Capabilities, DeployedStack, Session, StackState, Values, advice, call::Attempt as _,
};

/// The largest template that is taken in the call itself, in bytes.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
pub const LARGEST_BODY: usize = 51_200;

/// What a stack shall become.
#[derive(Clone, Debug)]
pub struct ChangeSetRequest {
    /// The stack's name.
    pub stack: String,
    /// Whether there is nothing yet.
    pub is_new: bool,
    /// The template.
    pub template: TemplateSource,
    /// The values of its parameters.
    pub parameters: Values,
    /// The tags of the stack itself.
    pub tags: Vec<(String, String)>,
    /// What has to be agreed to.
    pub capabilities: Capabilities,
}

/// Where a template is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateSource {
    /// Here.
    Body(String),
    /// In the artifact bucket.
    Url(String),
}

/// A change set that can be executed.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    /// Its ARN.
    pub id: String,
    /// The ARN of its stack.
    pub stack_id: String,
    /// What it would do.
    pub changes: Vec<PlannedChange>,
}

/// What CloudFormation would do to a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedChange {
    /// The resource's name in the template.
    pub logical_id: String,
    /// Its type.
    pub kind: String,
    /// What would be done.
    pub action: Action,
    /// What it would be done for.
    pub details: Vec<Detail>,
}

/// What CloudFormation would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it.
    Add,
    /// Change it as it stands.
    Modify,
    /// Put another in its place, or perhaps not: that is found out on the way.
    MaybeReplace,
    /// Put another in its place.
    Replace,
    /// Take it out of the stack.
    Remove,
}

/// A property that would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// `Properties`, or the resource attribute.
    pub attribute: String,
    /// The property.
    pub property: String,
    /// Whether its change makes CloudFormation put another resource in this one's place.
    pub recreates: bool,
    /// The parameter or the resource that it follows.
    pub cause: Option<String>,
    /// Whether it follows a resource: then it changes only if that one gets another id.
    pub follows_resource: bool,
}

/// Why there is no change set.
#[derive(Debug, thiserror::Error)]
pub enum ChangeSetError {
    /// AWS refused something.
    #[error(transparent)]
    Call(#[from] CallError),
    /// AWS found something wrong with what it should do.
    #[error(
        "the change set of the stack {stack} cannot be made\n  AWS answers: {reason}{problems}{}",
        what_to_do(reason, problems)
    )]
    Failed {
        /// The stack.
        stack: String,
        /// What AWS said.
        reason: String,
        /// What it found, a line each.
        problems: String,
    },
    /// It was taken away before it was executed.
    #[error(
        "the change set of the stack {stack} cannot be executed any more: it is {status}\n  what to \
         do: somebody else has changed the stack meanwhile; run the same command again"
    )]
    Overtaken {
        /// The stack.
        stack: String,
        /// What has become of it.
        status: String,
    },
}

impl ChangeSetRequest {
    /// The name of the change set: what is wished for, so that one that was left over is found.
    fn name(&self) -> String {
        let mut hash = Sha256::new();
        let template = match &self.template {
            TemplateSource::Body(text) | TemplateSource::Url(text) => text,
        };
        hash.update(template);
        for (name, value) in &self.parameters {
            hash.update([name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
        }
        format!("stagecast-{}", &format!("{:x}", hash.finalize())[..16])
    }

    /// Asks for the change set and waits until it is there. None if nothing would change.
    pub async fn change_set(&self, session: &Session) -> Result<Option<ChangeSet>, ChangeSetError> {
        let name = self.name();
        let stack_id = match self.create(session, &name).await {
            Err(error) if error.is("AlreadyExistsException") => {
                // What would change may be something else by now.
                delete(session, &self.stack, &name).await?;
                self.create(session, &name).await?
            }
            answer => answer?,
        };
        let described = self.wait(session, &name).await?;
        if described.status == Some(ChangeSetStatus::Failed) {
            let reason = described.status_reason.unwrap_or_default();
            let problems = self.problems(session, &name).await;
            delete(session, &self.stack, &name).await?;
            if says_nothing_changes(&reason) {
                return Ok(None);
            }
            let stack = self.stack.clone();
            return Err(ChangeSetError::Failed {
                stack,
                reason,
                problems,
            });
        }
        let id = described.change_set_id.clone().unwrap_or_default();
        let changes = self.changes(session, &name, described).await?;
        Ok(Some(ChangeSet {
            id,
            stack_id,
            changes,
        }))
    }

    /// Takes the change set away, unexecuted, and with it a stack that has nothing else. What cannot
    /// be taken away does no harm: the next deployment does it.
    pub async fn discard(&self, session: &Session) {
        let _ = delete(session, &self.stack, &self.name()).await;
        if !self.is_new {
            return;
        }
        if let Ok(Some(stack)) = DeployedStack::find(session, &self.stack).await
            && stack.status.state() == StackState::Empty
        {
            let _ = stack.delete(session).await;
        }
    }

    async fn create(&self, session: &Session, name: &str) -> Result<String, CallError> {
        let kind = if self.is_new {
            ChangeSetType::Create
        } else {
            ChangeSetType::Update
        };
        let parameters = self.parameters.iter().map(|(name, value)| {
            Parameter::builder()
                .parameter_key(name)
                .parameter_value(value)
                .build()
        });
        let tags = self.tags.iter();
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let capabilities = self.capabilities.names().map(Capability::from);
        let request = session
            .cloudformation
            .create_change_set()
            .stack_name(&self.stack)
            .change_set_name(name)
            .change_set_type(kind)
            .set_parameters(Some(parameters.collect()))
            .set_tags(Some(tags.collect()))
            .set_capabilities(Some(capabilities.collect()));
        let request = match &self.template {
            TemplateSource::Body(text) => request.template_body(text),
            TemplateSource::Url(url) => request.template_url(url),
        };
        let answer = request.send().await;
        let answer = answer.attempt(|| format!("make a change set of the stack {}", self.stack))?;
        Ok(answer.stack_id.unwrap_or_default())
    }

    async fn wait(
        &self,
        session: &Session,
        name: &str,
    ) -> Result<DescribeChangeSetOutput, CallError> {
        let mut pause = Duration::from_millis(250);
        loop {
            let described = self.describe(session, name, None).await?;
            match &described.status {
                Some(ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress) => {
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(3));
                }
                _ => return Ok(described),
            }
        }
    }

    async fn describe(
        &self,
        session: &Session,
        name: &str,
        page: Option<String>,
    ) -> Result<DescribeChangeSetOutput, CallError> {
        let request = session
            .cloudformation
            .describe_change_set()
            .stack_name(&self.stack)
            .change_set_name(name)
            .set_next_token(page);
        let answer = request.send().await;
        answer.attempt(|| format!("read the change set of the stack {}", self.stack))
    }

    async fn changes(
        &self,
        session: &Session,
        name: &str,
        mut page: DescribeChangeSetOutput,
    ) -> Result<Vec<PlannedChange>, CallError> {
        let mut changes = Vec::new();
        loop {
            let found = page.changes.unwrap_or_default().into_iter();
            let found = found.filter_map(|change| change.resource_change);
            changes.extend(found.map(PlannedChange::from));
            let Some(token) = page.next_token.filter(|token| !token.is_empty()) else {
                return Ok(changes);
            };
            page = self.describe(session, name, Some(token)).await?;
        }
    }

    /// What CloudFormation found wrong before it would do anything, such as names that are taken.
    /// Only says more; so if it cannot be had, what is known must do.
    async fn problems(&self, session: &Session, name: &str) -> String {
        let request = session
            .cloudformation
            .describe_events()
            .stack_name(&self.stack)
            .change_set_name(name)
            .filters(EventFilter::builder().failed_events(true).build());
        let events = match request.send().await {
            Ok(answer) => answer.operation_events.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        events
            .into_iter()
            .filter_map(|event| {
                let reason = event.validation_status_reason?;
                let resource = event.logical_resource_id.unwrap_or_default();
                let kind = event.resource_type.unwrap_or_default();
                let place = event.validation_path.unwrap_or_default();
                Some(format!("\n    {resource} ({kind}) {place}: {reason}"))
            })
            .collect()
    }
}

async fn delete(session: &Session, stack: &str, name: &str) -> Result<(), CallError> {
    let request = session.cloudformation.delete_change_set();
    let answer = request.stack_name(stack).change_set_name(name).send().await;
    let answer = answer.attempt(|| format!("delete a change set of the stack {stack}"));
    answer.map(|_| ())
}

/// What to do about what AWS found, on a line of its own. Names that are taken are among the
/// problems.
fn what_to_do(reason: &str, problems: &str) -> String {
    let advice = advice::on(problems).or_else(|| advice::on(reason));
    advice.map_or_else(String::new, |advice| format!("\n  what to do: {advice}"))
}

/// CloudFormation takes a change set without changes for one that failed, and says why only in
/// words.
fn says_nothing_changes(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

impl From<ResourceChange> for PlannedChange {
    fn from(change: ResourceChange) -> Self {
        let action = match (change.action, change.replacement) {
            (Some(ChangeAction::Add | ChangeAction::Import), _) => Action::Add,
            (Some(ChangeAction::Remove), _) => Action::Remove,
            (_, Some(Replacement::True)) => Action::Replace,
            (_, Some(Replacement::Conditional)) => Action::MaybeReplace,
            _ => Action::Modify,
        };
        let details = change.details.unwrap_or_default().into_iter();
        let details = details.filter_map(|detail| {
            let target = detail.target?;
            let attribute = target.attribute.as_ref().map(|it| it.as_str().to_owned());
            Some(Detail {
                attribute: attribute.unwrap_or_else(|| "Properties".to_owned()),
                property: target.name.unwrap_or_default(),
                recreates: target
                    .requires_recreation
                    .is_some_and(|it| it.as_str() != "Never"),
                follows_resource: matches!(
                    detail.change_source,
                    Some(ChangeSource::ResourceReference | ChangeSource::ResourceAttribute)
                ),
                cause: detail.causing_entity.filter(|cause| !cause.is_empty()),
            })
        });
        Self {
            details: details.collect(),
            logical_id: change.logical_resource_id.unwrap_or_default(),
            kind: change.resource_type.unwrap_or_default(),
            action,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_saying_that_nothing_changes_are_understood() {
        for reason in [
            "The submitted information didn't contain changes. Submit different information to \
             create a change set.",
            "No updates are to be performed.",
        ] {
            assert!(says_nothing_changes(reason), "{reason}");
        }
        assert!(!says_nothing_changes(
            "Transform AWS::Serverless-2016-10-31 failed"
        ));
    }
}
