//! A deployed stack: its status, template and resources.

use aws_sdk_cloudformation::types::TemplateStage;
use indexmap::IndexMap;
use serde::Serialize;

use crate::{
    CallError, CloudFormation, StackStatus, call_error::Attempt as _,
    events::is_deletion_protection,
};
use cloudformation_diff::{ReadError, TemplateDocument};

/// A deployed stack.
#[derive(Clone, Debug)]
pub struct DeployedStack {
    /// The ARN, by which CloudFormation still finds the stack after its deletion.
    pub id: String,
    /// The name of the stack.
    pub name: String,
    /// The status of the stack.
    pub status: StackStatus,
    /// The reason of the status.
    pub reason: Option<String>,
    /// The description in its template.
    pub description: String,
    /// The values of its parameters.
    pub parameters: IndexMap<String, String>,
    /// The tags of the stack itself.
    pub tags: IndexMap<String, String>,
    /// The outputs of the stack.
    pub outputs: Vec<StackOutput>,
    /// Whether CloudFormation refuses to delete it.
    pub termination_protection: bool,
}

/// An output of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StackOutput {
    /// The name in the template.
    pub name: String,
    /// The value.
    pub value: String,
    /// The description in the template.
    pub description: String,
}

/// The template of a deployed stack.
#[derive(Clone, Debug)]
pub struct DeployedTemplate {
    /// The text that was passed to CloudFormation.
    pub text: String,
    /// The template, after its transforms.
    pub document: TemplateDocument,
}

/// A resource of a deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployedResource {
    /// The logical id in the template.
    pub logical_id: String,
    /// The id in the account.
    pub physical_id: String,
    /// The type.
    pub kind: String,
    /// Whether it is a table that could not be deleted because of its deletion protection.
    pub protected: bool,
}

/// Why the template of a deployed stack cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A call to AWS failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// AWS returned a text that is no template.
    #[error("cannot parse the deployed template of the stack {stack}: {cause}")]
    Read {
        /// The stack.
        stack: String,
        /// The parser's message.
        cause: ReadError,
    },
}

impl DeployedStack {
    /// Finds the stack with this name or ARN.
    pub async fn find(aws: &CloudFormation, name: &str) -> Result<Option<Self>, CallError> {
        let request = aws.client.describe_stacks().stack_name(name);
        let answer = request.send().await;
        let stacks = match answer.attempt(|| format!("describe the stack {name}{}", aws.at())) {
            Ok(output) => output.stacks.unwrap_or_default(),
            // CloudFormation uses the code for all invalid requests.
            Err(error) if error.is("ValidationError") && error.answer.contains("not exist") => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Ok(stacks.into_iter().next().map(Self::from))
    }

    /// Reads the stack's template.
    pub async fn template(&self, aws: &CloudFormation) -> Result<DeployedTemplate, TemplateError> {
        let original = self.template_at(aws, TemplateStage::Original);
        let text = original.await?;
        let mut document = self.read(&text)?;
        if document.has_transform() {
            let processed = self.template_at(aws, TemplateStage::Processed);
            document = self.read(&processed.await?)?;
        }
        Ok(DeployedTemplate { text, document })
    }

    async fn template_at(
        &self,
        aws: &CloudFormation,
        stage: TemplateStage,
    ) -> Result<String, CallError> {
        let request = aws.client.get_template();
        let answer = request.stack_name(&self.id).template_stage(stage).send();
        let answer = answer.await;
        let answer = answer.attempt(|| format!("read the template of the stack {}", self.name))?;
        Ok(answer.template_body.unwrap_or_default())
    }

    fn read(&self, text: &str) -> Result<TemplateDocument, TemplateError> {
        TemplateDocument::parse(text).map_err(|cause| TemplateError::Read {
            stack: self.name.clone(),
            cause,
        })
    }

    /// Lists the resources that exist in the stack.
    pub async fn resources(
        &self,
        aws: &CloudFormation,
    ) -> Result<Vec<DeployedResource>, CallError> {
        let request = aws.client.list_stack_resources();
        let mut pages = request.stack_name(&self.id).into_paginator().send();
        let mut resources = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.attempt(|| format!("list the resources of the stack {}", self.name))?;
            let found = page.stack_resource_summaries.unwrap_or_default();
            resources.extend(
                found
                    .into_iter()
                    .filter(|resource| {
                        let status = resource.resource_status.as_ref();
                        status.is_none_or(|status| status.as_str() != "DELETE_COMPLETE")
                    })
                    .map(|resource| {
                        let kind = resource.resource_type.unwrap_or_default();
                        let reason = resource.resource_status_reason.as_deref();
                        DeployedResource {
                            protected: is_deletion_protection(&kind, reason),
                            logical_id: resource.logical_resource_id.unwrap_or_default(),
                            physical_id: resource.physical_resource_id.unwrap_or_default(),
                            kind,
                        }
                    }),
            );
        }
        Ok(resources)
    }

    /// Starts the deletion of the stack.
    pub async fn delete(&self, aws: &CloudFormation) -> Result<(), CallError> {
        let request = aws.client.delete_stack();
        let answer = request.stack_name(&self.id).send().await;
        let answer = answer.attempt(|| format!("delete the stack {}", self.name));
        answer.map(|_| ())
    }

    /// The value of an output.
    pub fn output(&self, name: &str) -> Option<&str> {
        let output = self.outputs.iter().find(|output| output.name == name)?;
        Some(&output.value)
    }
}

impl From<aws_sdk_cloudformation::types::Stack> for DeployedStack {
    fn from(stack: aws_sdk_cloudformation::types::Stack) -> Self {
        let status = stack
            .stack_status
            .as_ref()
            .map_or("", |status| status.as_str());
        Self {
            status: StackStatus::new(status),
            id: stack.stack_id.unwrap_or_default(),
            name: stack.stack_name.unwrap_or_default(),
            reason: stack
                .stack_status_reason
                .filter(|reason| !reason.is_empty()),
            description: stack.description.unwrap_or_default(),
            parameters: stack
                .parameters
                .unwrap_or_default()
                .into_iter()
                .filter_map(|parameter| {
                    Some((parameter.parameter_key?, parameter.parameter_value?))
                })
                .collect(),
            tags: stack
                .tags
                .unwrap_or_default()
                .into_iter()
                .filter_map(|tag| Some((tag.key?, tag.value?)))
                .collect(),
            outputs: stack
                .outputs
                .unwrap_or_default()
                .into_iter()
                .map(|output| StackOutput {
                    name: output.output_key.unwrap_or_default(),
                    value: output.output_value.unwrap_or_default(),
                    description: output.description.unwrap_or_default(),
                })
                .collect(),
            termination_protection: stack.enable_termination_protection.unwrap_or_default(),
        }
    }
}
