//! The owner of a table or queue with a given name.
//!
//! AWS refuses to create a second table with a name that is taken. Emulators need not: ministack
//! overwrites the table, and deletes it when the deployment is rolled back. So infra-gen checks first.

use std::fmt;

use aws_sdk_dynamodb::types::Tag;

use cloudformation_deploy::Attempt as _;

use super::{AwsSession, CallError, DeployedStack, StackState};

/// The tags that CloudFormation sets on the resources of a stack.
const STACK_NAME: &str = "aws:cloudformation:stack-name";
const STACK_ID: &str = "aws:cloudformation:stack-id";

/// The owner of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The stack with this name.
    Stack(String),
    /// A stack with this name created the resource and was deleted.
    DeletedStack(String),
    /// The resource was not created by a stack.
    NoStack,
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(name) => write!(formatter, "owned by the stack {name}"),
            Self::DeletedStack(name) => {
                write!(
                    formatter,
                    "left behind by the stack {name}, which is deleted"
                )
            }
            Self::NoStack => write!(formatter, "owned by no stack"),
        }
    }
}

type Tags = Vec<(String, String)>;

impl Owner {
    /// The owner of the resource with this type and name; `None` if there is no such resource.
    pub async fn find(
        session: &AwsSession,
        kind: &str,
        name: &str,
    ) -> Result<Option<Self>, CallError> {
        let tags = match kind {
            "AWS::DynamoDB::Table" => tags_of_table(session, name).await?,
            "AWS::SQS::Queue" => tags_of_queue(session, name).await?,
            _ => return owner_by_physical_id(session, name).await,
        };
        match tags {
            Some(tags) => Ok(Some(owner_by_tags(session, &tags).await?)),
            None => Ok(None),
        }
    }
}

async fn tags_of_table(session: &AwsSession, name: &str) -> Result<Option<Tags>, CallError> {
    let table = session.dynamodb.describe_table().table_name(name).send();
    let table = match table.await.attempt(|| format!("describe the table {name}")) {
        Ok(answer) => answer.table,
        Err(error) if error.is("ResourceNotFoundException") => return Ok(None),
        Err(error) => return Err(error),
    };
    let arn = table.and_then(|table| table.table_arn).unwrap_or_default();
    let (mut tags, mut page) = (Tags::new(), None);
    loop {
        let request = session.dynamodb.list_tags_of_resource().resource_arn(&arn);
        let answer = request.set_next_token(page).send().await;
        let answer = answer.attempt(|| format!("read the tags of the table {name}"))?;
        let found = answer.tags.unwrap_or_default().into_iter();
        tags.extend(found.map(|Tag { key, value, .. }| (key, value)));
        page = answer.next_token.filter(|token| !token.is_empty());
        if page.is_none() {
            return Ok(Some(tags));
        }
    }
}

async fn tags_of_queue(session: &AwsSession, name: &str) -> Result<Option<Tags>, CallError> {
    let queue = session.sqs.get_queue_url().queue_name(name).send().await;
    let url = match queue.attempt(|| format!("find the queue {name}")) {
        Ok(answer) => answer.queue_url.unwrap_or_default(),
        // The SDK removes the prefix of the code, emulators answer with either.
        Err(error)
            if error.is("QueueDoesNotExist")
                || error.is("AWS.SimpleQueueService.NonExistentQueue") =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let answer = session.sqs.list_queue_tags().queue_url(url).send().await;
    let answer = answer.attempt(|| format!("read the tags of the queue {name}"))?;
    Ok(Some(answer.tags.unwrap_or_default().into_iter().collect()))
}

async fn owner_by_tags(session: &AwsSession, tags: &Tags) -> Result<Owner, CallError> {
    let tag = |wanted: &str| {
        let found = tags.iter().find(|(key, _)| key == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let Some(name) = tag(STACK_NAME) else {
        return Ok(Owner::NoStack);
    };
    let stack = DeployedStack::find(&session.cloudformation, tag(STACK_ID).unwrap_or(name)).await?;
    Ok(match stack {
        Some(stack) if stack.status.state() != StackState::Deleted => Owner::Stack(name.to_owned()),
        _ => Owner::DeletedStack(name.to_owned()),
    })
}

/// Finds resources in stacks only. For others, CloudFormation reports that the name is taken.
async fn owner_by_physical_id(session: &AwsSession, id: &str) -> Result<Option<Owner>, CallError> {
    let request = session.cloudformation.client().describe_stack_resources();
    let answer = request.physical_resource_id(id).send().await;
    match answer.attempt(|| format!("find the stack of {id}")) {
        Ok(answer) => {
            let first = answer
                .stack_resources
                .unwrap_or_default()
                .into_iter()
                .next();
            Ok(first.and_then(|it| it.stack_name).map(Owner::Stack))
        }
        Err(error) if error.is("ValidationError") => Ok(None),
        Err(error) => Err(error),
    }
}
