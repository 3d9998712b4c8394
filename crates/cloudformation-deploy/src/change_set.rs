//! Change sets, the only way in which this crate changes resources.

use std::time::Duration;

use aws_sdk_cloudformation::{
    operation::describe_change_set::DescribeChangeSetOutput,
    types::{
        Capability, ChangeAction, ChangeSetStatus, ChangeSetType, ChangeSource, EventFilter,
        Parameter, Replacement, ResourceChange, Tag,
    },
};
use indexmap::IndexMap;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::{
    CallError, Capabilities, CloudFormation, DeployedStack, StackState, call_error::Attempt as _,
};

/// The largest template, in bytes, that a request may contain.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
pub const MAX_TEMPLATE_BODY_BYTES: usize = 51_200;

/// The stack that a change set leads to.
#[derive(Clone, Debug)]
pub struct ChangeSetRequest {
    /// The stack's name.
    pub stack: String,
    /// The prefix of the names of change sets and of client request tokens: the program's name.
    pub name_prefix: String,
    /// Whether the stack does not exist, or has no resources.
    pub is_new: bool,
    /// The text or the URL of the template.
    pub template: TemplateSource,
    /// The values of all parameters of the template.
    pub parameters: IndexMap<String, String>,
    /// The tags of the stack itself.
    pub tags: Vec<(String, String)>,
    /// The capabilities that the template requires.
    pub capabilities: Capabilities,
}

/// Where CloudFormation gets the template from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateSource {
    /// The text, as part of the request.
    Body(String),
    /// The URL of an object in the artifact bucket.
    Url(String),
}

/// A change set that can be executed.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    /// The ARN of the change set.
    pub id: String,
    /// The ARN of the stack.
    pub stack_id: String,
    /// The changes of resources.
    pub changes: Vec<PlannedChange>,
    /// The client request token of the execution, which its events carry.
    pub(crate) token: String,
}

/// A change of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedChange {
    /// The resource's logical id in the template.
    pub logical_id: String,
    /// The resource's type.
    pub kind: String,
    /// What CloudFormation does to the resource.
    pub action: PlannedAction,
    /// The properties that change.
    pub details: Vec<PlannedDetail>,
}

/// What CloudFormation does to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlannedAction {
    /// Create it.
    Add,
    /// Update it in place.
    Modify,
    /// Replace it, or update it in place: CloudFormation decides during the update.
    MaybeReplace,
    /// Replace it.
    Replace,
    /// Remove it from the stack.
    Remove,
}

/// A property that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedDetail {
    /// `Properties`, or a resource attribute such as `Metadata`.
    pub attribute: String,
    /// The name of the property.
    pub property: String,
    /// Whether its change replaces the resource.
    pub recreates: bool,
    /// The parameter or the resource attribute that the property refers to: `Table.Arn`.
    pub cause: Option<String>,
    /// Whether it refers to a resource. Then it changes only if that resource is replaced.
    pub follows_resource: bool,
}

/// Why a change set cannot be created or executed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeSetError {
    /// A call to AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// CloudFormation found errors in the changes.
    #[error("cannot create the change set of the stack {stack}\n  AWS answers: {reason}{problems}")]
    Failed {
        /// The stack.
        stack: String,
        /// The reason in the change set's status.
        reason: String,
        /// The errors that CloudFormation's validation found, a line each.
        problems: String,
    },
    /// The change set is obsolete or deleted.
    #[error(
        "the change set of the stack {stack} can no longer be executed: {status}\n  help: another \
         user changed the stack meanwhile; run the same command again"
    )]
    Overtaken {
        /// The stack.
        stack: String,
        /// AWS's message about the change set's status.
        status: String,
    },
}

impl ChangeSetRequest {
    /// The name of the change set, a hash of template and parameters. A repeated deployment finds the
    /// change set that an interrupted one left behind.
    fn name(&self) -> String {
        let mut hash = Sha256::new();
        let template = match &self.template {
            TemplateSource::Body(text) | TemplateSource::Url(text) => text,
        };
        hash.update(template);
        for (name, value) in &self.parameters {
            hash.update([name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat());
        }
        format!(
            "{}-{}",
            self.name_prefix,
            &format!("{:x}", hash.finalize())[..16]
        )
    }

    /// Creates the change set and waits for it. `None` if it has no changes.
    pub async fn change_set(
        &self,
        aws: &CloudFormation,
    ) -> Result<Option<ChangeSet>, ChangeSetError> {
        let name = self.name();
        let stack_id = match self.create(aws, &name).await {
            Err(error) if error.is("AlreadyExistsException") => {
                // It was computed for an earlier state of the stack.
                delete(aws, &self.stack, &name).await?;
                self.create(aws, &name).await?
            }
            answer => answer?,
        };
        let described = self.wait(aws, &name).await?;
        if described.status == Some(ChangeSetStatus::Failed) {
            let reason = described.status_reason.unwrap_or_default();
            let problems = self.problems(aws, &name).await;
            delete(aws, &self.stack, &name).await?;
            if is_no_change(&reason) {
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
        let changes = self.changes(aws, &name, described).await?;
        let hash = format!("{:x}", Sha256::digest(&id));
        Ok(Some(ChangeSet {
            token: format!("{}-{}", self.name_prefix, &hash[..32]),
            id,
            stack_id,
            changes,
        }))
    }

    /// Deletes the change set, and a stack that has nothing else. Errors are ignored: the next
    /// deployment deletes what remains.
    pub async fn discard(&self, aws: &CloudFormation) {
        let _ = delete(aws, &self.stack, &self.name()).await;
        if !self.is_new {
            return;
        }
        if let Ok(Some(stack)) = DeployedStack::find(aws, &self.stack).await
            && stack.status.state() == StackState::Empty
        {
            let _ = stack.delete(aws).await;
        }
    }

    async fn create(&self, aws: &CloudFormation, name: &str) -> Result<String, CallError> {
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
        let request = aws
            .client
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
        let answer =
            answer.attempt(|| format!("create a change set of the stack {}", self.stack))?;
        Ok(answer.stack_id.unwrap_or_default())
    }

    async fn wait(
        &self,
        aws: &CloudFormation,
        name: &str,
    ) -> Result<DescribeChangeSetOutput, CallError> {
        let mut pause = Duration::from_millis(250);
        loop {
            let described = self.describe(aws, name, None).await?;
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
        aws: &CloudFormation,
        name: &str,
        page: Option<String>,
    ) -> Result<DescribeChangeSetOutput, CallError> {
        let request = aws
            .client
            .describe_change_set()
            .stack_name(&self.stack)
            .change_set_name(name)
            .set_next_token(page);
        let answer = request.send().await;
        answer.attempt(|| format!("read the change set of the stack {}", self.stack))
    }

    async fn changes(
        &self,
        aws: &CloudFormation,
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
            page = self.describe(aws, name, Some(token)).await?;
        }
    }

    /// The errors that CloudFormation's validation found, such as names that are taken. They add to
    /// the status reason; if they cannot be read, the message is given without them.
    async fn problems(&self, aws: &CloudFormation, name: &str) -> String {
        let request = aws
            .client
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
                let path = event.validation_path.unwrap_or_default();
                Some(format!("\n    {resource} ({kind}) {path}: {reason}"))
            })
            .collect()
    }
}

async fn delete(aws: &CloudFormation, stack: &str, name: &str) -> Result<(), CallError> {
    let request = aws.client.delete_change_set();
    let answer = request.stack_name(stack).change_set_name(name).send().await;
    let answer = answer.attempt(|| format!("delete a change set of the stack {stack}"));
    answer.map(|_| ())
}

/// CloudFormation reports a change set without changes as failed. Only the text of the reason
/// distinguishes it from other failures.
fn is_no_change(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

impl From<ResourceChange> for PlannedChange {
    fn from(change: ResourceChange) -> Self {
        let action = match (change.action, change.replacement) {
            (Some(ChangeAction::Add | ChangeAction::Import), _) => PlannedAction::Add,
            (Some(ChangeAction::Remove), _) => PlannedAction::Remove,
            (_, Some(Replacement::True)) => PlannedAction::Replace,
            (_, Some(Replacement::Conditional)) => PlannedAction::MaybeReplace,
            _ => PlannedAction::Modify,
        };
        let details = change.details.unwrap_or_default().into_iter();
        let details = details.filter_map(|detail| {
            let target = detail.target?;
            let attribute = target.attribute.as_ref().map(|it| it.as_str().to_owned());
            Some(PlannedDetail {
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
    fn change_set_without_changes_is_recognized_by_its_reason() {
        for reason in [
            "The submitted information didn't contain changes. Submit different information to \
             create a change set.",
            "No updates are to be performed.",
        ] {
            assert!(is_no_change(reason), "{reason}");
        }
        assert!(!is_no_change("Transform AWS::Serverless-2016-10-31 failed"));
    }
}
