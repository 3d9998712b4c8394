//! The answers of CloudFormation: one stack, and the events that a test provides.

use std::collections::HashMap;

use super::{
    super::http::Answer,
    state::{Stack, State},
    xml::{error, escape, members, pairs, result},
};

/// The bucket of the hosted page, as a resource of the stack.
const PAGE_BUCKET: &str = "<member><LogicalResourceId>PageBucket</LogicalResourceId>\
    <PhysicalResourceId>the-page</PhysicalResourceId>\
    <ResourceType>AWS::S3::Bucket</ResourceType>\
    <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>";

const STACK_ID: &str = "arn:aws:cloudformation:eu-central-1:123456789012:stack/it/1";

impl State {
    pub(super) fn answer_for_cloudformation(
        &mut self,
        operation: &str,
        form: &HashMap<String, String>,
    ) -> Answer {
        match operation {
            "DescribeStacks" => self.describe(form),
            "CreateChangeSet" => {
                self.planned = Some(form.clone());
                self.stack.get_or_insert_with(|| Stack {
                    name: form["StackName"].clone(),
                    status: "REVIEW_IN_PROGRESS".to_owned(),
                    ..Stack::default()
                });
                result(
                    operation,
                    &format!("<Id>{STACK_ID}/changes</Id><StackId>{STACK_ID}</StackId>"),
                )
            }
            "DescribeChangeSet" => result(
                operation,
                &format!(
                    "<ChangeSetId>{STACK_ID}/changes</ChangeSetId><Status>CREATE_COMPLETE</Status>\
                     <Changes>{}</Changes>",
                    self.changes
                ),
            ),
            "DeleteChangeSet" => {
                self.planned = None;
                result(operation, "")
            }
            "ExecuteChangeSet" => {
                let token = form.get("ClientRequestToken").cloned();
                self.executed = token.map(|token| (self.events.len(), token));
                self.execute();
                result(operation, "")
            }
            "DeleteStack" => {
                self.events.extend(&self.deletion);
                let last = self.deletion.iter().rev().find(|event| event.0 == "it");
                let last = last.map_or("", |event| event.2);
                self.stack = self.stack.take().filter(|stack| {
                    stack.status != "REVIEW_IN_PROGRESS" && last != "DELETE_COMPLETE"
                });
                if let Some(stack) = &mut self.stack {
                    last.clone_into(&mut stack.status);
                }
                result(operation, "")
            }
            "DescribeStackEvents" => self.describe_events(form),
            "DescribeEvents" => result(operation, "<OperationEvents></OperationEvents>"),
            "GetTemplate" => {
                let template = self.stack.as_ref().map(|stack| escape(&stack.template));
                let template = template.unwrap_or_default();
                result(
                    operation,
                    &format!("<TemplateBody>{template}</TemplateBody>"),
                )
            }
            "ListStackResources" => result(
                operation,
                &format!(
                    "<StackResourceSummaries>\
                 <member><LogicalResourceId>JobsTable</LogicalResourceId>\
                 <PhysicalResourceId>jobs</PhysicalResourceId>\
                 <ResourceType>AWS::DynamoDB::Table</ResourceType>\
                 <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>\
                 <member><LogicalResourceId>ObjectsBucket</LogicalResourceId>\
                 <PhysicalResourceId>the-objects</PhysicalResourceId>\
                 <ResourceType>AWS::S3::Bucket</ResourceType>\
                 <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>{}\
                 </StackResourceSummaries>",
                    if self.hosts_page() { PAGE_BUCKET } else { "" }
                ),
            ),
            _ => Answer {
                status: 400,
                body: error("InvalidAction", operation),
            },
        }
    }

    fn hosts_page(&self) -> bool {
        let stack = self.stack.as_ref();
        stack.is_some_and(|stack| stack.template.contains("PageBucket:"))
    }

    fn describe(&self, form: &HashMap<String, String>) -> Answer {
        let wanted = &form["StackName"];
        let stack = self.stack.as_ref();
        let Some(stack) = stack.filter(|it| it.name == *wanted || wanted == STACK_ID) else {
            let message = format!("Stack with id {wanted} does not exist");
            return Answer {
                status: 400,
                body: error("ValidationError", &message),
            };
        };
        let mut urls = vec![
            ("HttpApiUrl".to_owned(), "https://http.example".to_owned()),
            (
                "WebSocketUrl".to_owned(),
                "wss://live.example/live".to_owned(),
            ),
        ];
        if self.hosts_page() {
            let page = [
                ("PageUrl", "https://page.example"),
                ("PageBucketName", "the-page"),
            ];
            urls.extend(page.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        // A stack without resources has no outputs.
        if [
            "REVIEW_IN_PROGRESS",
            "CREATE_IN_PROGRESS",
            "ROLLBACK_COMPLETE",
        ]
        .contains(&stack.status.as_str())
        {
            urls.clear();
        }
        result(
            "DescribeStacks",
            &format!(
                "<Stacks><member><StackId>{STACK_ID}</StackId><StackName>{}</StackName>\
                 <Description>{}</Description><StackStatus>{}</StackStatus>\
                 <StackStatusReason>{}</StackStatusReason>\
                 <EnableTerminationProtection>{}</EnableTerminationProtection>{}{}{}\
                 </member></Stacks>",
                stack.name,
                escape(&stack.description),
                stack.status,
                escape(&stack.reason),
                stack.termination_protection,
                members(
                    "Parameters",
                    "ParameterKey",
                    "ParameterValue",
                    &stack.parameters
                ),
                members("Tags", "Key", "Value", &stack.tags),
                members("Outputs", "OutputKey", "OutputValue", &urls),
            ),
        )
    }

    /// The template in a request, or the uploaded one that it refers to.
    fn template_of(&self, form: &HashMap<String, String>) -> String {
        if let Some(text) = form.get("TemplateBody") {
            return text.clone();
        }
        let url = form.get("TemplateURL").map_or("", String::as_str);
        let uploaded = self.templates.iter().find(|(path, _)| url.ends_with(*path));
        uploaded.map_or_else(String::new, |(_, text)| text.clone())
    }

    fn execute(&mut self) {
        let events = self.execution.clone();
        if events
            .iter()
            .any(|event| event.1 == "AWS::ApiGateway::Account")
        {
            self.logging_role = true;
        }
        self.events.extend(&events);
        let form = self.planned.take().unwrap_or_default();
        let last = events.iter().rev().find(|event| event.0 == "it");
        let status = last.map_or("", |event| event.2).to_owned();
        self.stack = Some(Stack {
            name: form["StackName"].clone(),
            template: self.template_of(&form),
            parameters: pairs(&form, "Parameters", "ParameterKey", "ParameterValue"),
            tags: pairs(&form, "Tags", "Key", "Value"),
            status,
            ..Stack::default()
        });
    }

    /// The events of one page, the newest first.
    fn describe_events(&mut self, form: &HashMap<String, String>) -> Answer {
        if let (Some(stack), Some(status)) = (&mut self.stack, self.ending.take()) {
            stack.status = status;
        }
        let start = form
            .get("NextToken")
            .map_or(0, |token| token.parse().expect("ours"));
        let size = self.page.unwrap_or(self.events.len());
        let end = start + size;
        let next = if end < self.events.len() {
            format!("<NextToken>{end}</NextToken>")
        } else {
            String::new()
        };
        let events = self.events.iter().enumerate().rev().skip(start).take(size);
        let events = events.map(|(index, (id, kind, status, reason))| {
            let physical_id = if *id == "it" { STACK_ID } else { "physical" };
            let token = self.executed.as_ref().filter(|(first, _)| index >= *first);
            let token = token.map_or("", |(_, token)| token);
            format!(
                "<member><EventId>{index}</EventId><StackId>{STACK_ID}</StackId>\
                 <LogicalResourceId>{id}</LogicalResourceId>\
                 <PhysicalResourceId>{physical_id}</PhysicalResourceId>\
                 <ResourceType>{kind}</ResourceType><ResourceStatus>{status}</ResourceStatus>\
                 <ClientRequestToken>{token}</ClientRequestToken>\
                 <ResourceStatusReason>{}</ResourceStatusReason></member>",
                escape(reason)
            )
        });
        let events: String = events.collect();
        self.events.append(&mut self.later);
        result(
            "DescribeStackEvents",
            &format!("<StackEvents>{events}</StackEvents>{next}"),
        )
    }
}
