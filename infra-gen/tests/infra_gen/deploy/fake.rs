//! A fake of the few operations of AWS that infra-gen calls: one stack, one bucket, events that a
//! test has written down. It checks nothing that AWS checks; what it is for is to fail on demand.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::json;

use super::http::{Answer, Request, serve};

pub(super) const ACCOUNT: &str = "123456789012";
const STACK_ID: &str = "arn:aws:cloudformation:eu-central-1:123456789012:stack/it/1";

/// What happens to a resource: its name, its type, the state, the reason. The stack itself is `it`.
pub(super) type Event = (&'static str, &'static str, &'static str, &'static str);

#[derive(Debug, Default)]
pub(super) struct Stack {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) template: String,
    pub(super) description: String,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) termination_protection: bool,
}

type Tags = Vec<(String, String)>;

/// The tags that CloudFormation gives to what the fake's stack made, or one of another name.
fn tags_of(stack: &str) -> Tags {
    let tags = [("stack-name", stack), ("stack-id", stack)];
    tags.map(|(key, value)| (format!("aws:cloudformation:{key}"), value.to_owned()))
        .to_vec()
}

#[derive(Debug, Default)]
struct State {
    stack: Option<Stack>,
    events: Vec<Event>,
    /// What happens when a change set is executed, or the stack is deleted.
    execution: Vec<Event>,
    deletion: Vec<Event>,
    planned: Option<HashMap<String, String>>,
    /// The state that the stack is in once its events have been read to the end.
    ending: Option<String>,
    /// What the change set says, as XML.
    changes: String,
    bucket_is_there: bool,
    objects: BTreeSet<String>,
    logging_role: bool,
    /// Tables and queues that are in the account, with their tags.
    tables: HashMap<String, Tags>,
    queues: HashMap<String, Tags>,
    /// Answers that come instead of the fake's own, by operation.
    instead: HashMap<String, VecDeque<Answer>>,
    /// Answers that come in place of the fake's own although it does what is asked.
    lost: HashMap<String, Answer>,
    /// What happens after the events have been read once.
    later: Vec<Event>,
    /// Which of the events, from which on, belong to what was asked for with which token.
    executed: Option<(usize, String)>,
    /// Events on a page; all if nothing is said.
    page: Option<usize>,
    requests: Vec<(String, Request)>,
}

/// The fake, at an address of its own.
#[derive(Clone, Debug)]
pub(super) struct FakeAws {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

impl FakeAws {
    /// An account with a role for API Gateway's logs and nothing else, in which everything works.
    pub(super) fn new() -> Self {
        let state = Arc::new(Mutex::new(State {
            logging_role: true,
            execution: vec![
                (
                    "it",
                    "AWS::CloudFormation::Stack",
                    "CREATE_IN_PROGRESS",
                    "User Initiated",
                ),
                (
                    "JobsTable",
                    "AWS::DynamoDB::Table",
                    "CREATE_IN_PROGRESS",
                    "",
                ),
                ("JobsTable", "AWS::DynamoDB::Table", "CREATE_COMPLETE", ""),
                ("it", "AWS::CloudFormation::Stack", "CREATE_COMPLETE", ""),
            ],
            deletion: vec![
                (
                    "it",
                    "AWS::CloudFormation::Stack",
                    "DELETE_IN_PROGRESS",
                    "User Initiated",
                ),
                ("JobsTable", "AWS::DynamoDB::Table", "DELETE_COMPLETE", ""),
                ("it", "AWS::CloudFormation::Stack", "DELETE_COMPLETE", ""),
            ],
            ..State::default()
        }));
        let shared = state.clone();
        let url = serve(move |request| {
            let mut state = shared.lock().expect("not poisoned");
            let operation = operation(&request);
            state.requests.push((operation.clone(), request.clone()));
            let instead = state.instead.get_mut(&operation);
            if let Some(answer) = instead.and_then(VecDeque::pop_front) {
                return answer;
            }
            let answer = state.answer(&operation, &request);
            state.lost.remove(&operation).unwrap_or(answer)
        });
        Self { url, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    pub(super) fn with_stack(self, stack: Stack) -> Self {
        self.state().stack = Some(stack);
        self
    }

    /// A table that is in the account, made by a stack if one is given.
    pub(super) fn with_table(self, name: &str, stack: Option<&str>) -> Self {
        let tags = stack.map(tags_of).unwrap_or_default();
        self.state().tables.insert(name.to_owned(), tags);
        self
    }

    /// A queue that is in the account, made by a stack if one is given.
    pub(super) fn with_queue(self, name: &str, stack: Option<&str>) -> Self {
        let tags = stack.map(tags_of).unwrap_or_default();
        self.state().queues.insert(name.to_owned(), tags);
        self
    }

    pub(super) fn without_logging_role(self) -> Self {
        self.state().logging_role = false;
        self
    }

    /// What happens when the change set is executed.
    pub(super) fn with_execution(self, events: &[Event]) -> Self {
        self.state().execution = events.to_vec();
        self
    }

    /// What happens when the stack is deleted.
    pub(super) fn with_deletion(self, events: &[Event]) -> Self {
        self.state().deletion = events.to_vec();
        self
    }

    /// What has happened already.
    pub(super) fn with_events(self, events: &[Event]) -> Self {
        self.state().events = events.to_vec();
        self
    }

    /// What happens after the events have been read once.
    pub(super) fn going_on_with(self, events: &[Event]) -> Self {
        self.state().later = events.to_vec();
        self
    }

    /// Events come in pages of this size.
    pub(super) fn with_pages_of(self, events: usize) -> Self {
        self.state().page = Some(events);
        self
    }

    /// The next call of an operation is done, and answered with this: the answer to another attempt
    /// at it, because the one to the first was lost.
    pub(super) fn losing_answer(self, operation: &str, code: &str, message: &str) -> Self {
        let body = error(code, message);
        let answer = Answer { status: 400, body };
        self.state().lost.insert(operation.to_owned(), answer);
        self
    }

    /// The next calls of an operation are never answered.
    pub(super) fn silent_on(&self, operation: &str) {
        let aws = self.clone();
        aws.answering(operation, Answer::NEVER, "", 100);
    }

    /// What the stack has become once its events have been read.
    pub(super) fn ending_in(self, status: &str) -> Self {
        self.state().ending = Some(status.to_owned());
        self
    }

    /// What the change set says of a resource.
    pub(super) fn with_change(self, id: &str, kind: &str, action: &str, replacement: &str) -> Self {
        let change = format!(
            "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action>\
             <LogicalResourceId>{id}</LogicalResourceId><ResourceType>{kind}</ResourceType>\
             <Replacement>{replacement}</Replacement></ResourceChange></member>"
        );
        self.state().changes.push_str(&change);
        self
    }

    /// The next calls of an operation are answered with this instead.
    pub(super) fn answering(self, operation: &str, status: u16, body: &str, times: usize) -> Self {
        let body = body.to_owned();
        let answers = vec![Answer { status, body }; times];
        self.state()
            .instead
            .insert(operation.to_owned(), answers.into());
        self
    }

    /// The next calls of an operation fail like this.
    pub(super) fn failing(self, operation: &str, status: u16, code: &str, times: usize) -> Self {
        let body = if operation.contains("Bucket") {
            s3_error(status, code).body
        } else {
            error(code, &format!("{code}, says the fake"))
        };
        self.answering(operation, status, &body, times)
    }

    /// The operations that were called, in order.
    pub(super) fn calls(&self) -> Vec<String> {
        self.state()
            .requests
            .iter()
            .map(|it| it.0.clone())
            .collect()
    }

    /// The calls of an operation, in order.
    pub(super) fn requests(&self, operation: &str) -> Vec<Request> {
        let state = self.state();
        let requests = state.requests.iter().filter(|it| it.0 == operation);
        requests.map(|it| it.1.clone()).collect()
    }

    pub(super) fn count(&self, operation: &str) -> usize {
        self.requests(operation).len()
    }

    pub(super) fn objects(&self) -> Vec<String> {
        self.state().objects.iter().cloned().collect()
    }

    pub(super) fn add_object(&self, key: &str) {
        self.state().objects.insert(key.to_owned());
    }

    pub(super) fn stack_status(&self) -> Option<String> {
        self.state()
            .stack
            .as_ref()
            .map(|stack| stack.status.clone())
    }
}

/// What a request asks for. S3 and API Gateway say it by method and path.
fn operation(request: &Request) -> String {
    if let Some(action) = request.form().get("Action") {
        return action.clone();
    }
    if let Some((_, operation)) = request.target.split_once('.') {
        return operation.to_owned();
    }
    let Request {
        method,
        path,
        query,
        ..
    } = request;
    if path == "/account" {
        return "GetAccount".to_owned();
    }
    let of_object = path.trim_matches('/').contains('/');
    let subresource = query.split(['=', '&']).next().unwrap_or_default();
    match (method.as_str(), of_object, subresource) {
        ("HEAD", true, _) => "HeadObject".to_owned(),
        ("PUT", true, _) => "PutObject".to_owned(),
        ("GET", false, "lifecycle") => "GetBucketLifecycle".to_owned(),
        ("GET", false, _) => "ListObjectVersions".to_owned(),
        ("POST", false, _) => "DeleteObjects".to_owned(),
        ("PUT", false, "" | "x-id") => "CreateBucket".to_owned(),
        ("PUT", false, subresource) => format!("PutBucket:{subresource}"),
        _ => format!("{method} {path}"),
    }
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>r-1</RequestId></ErrorResponse>"
    )
}

fn s3_error(status: u16, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    Answer { status, body }
}

fn result(operation: &str, content: &str) -> Answer {
    Answer::ok(format!(
        "<{operation}Response><{operation}Result>{content}</{operation}Result></{operation}Response>"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn members(list: &str, key: &str, value: &str, items: &[(String, String)]) -> String {
    let mut xml = String::new();
    for (name, text) in items {
        let text = escape(text);
        write!(
            xml,
            "<member><{key}>{name}</{key}><{value}>{text}</{value}></member>"
        )
        .expect("a string");
    }
    format!("<{list}>{xml}</{list}>")
}

/// The pairs of a list in a form: `Parameters.member.1.ParameterKey` and so on.
fn pairs(
    form: &HashMap<String, String>,
    list: &str,
    key: &str,
    value: &str,
) -> Vec<(String, String)> {
    (1..)
        .map_while(|index| {
            let name = form.get(&format!("{list}.member.{index}.{key}"))?;
            let text = form.get(&format!("{list}.member.{index}.{value}"));
            Some((name.clone(), text.cloned().unwrap_or_default()))
        })
        .collect()
}

impl State {
    fn answer(&mut self, operation: &str, request: &Request) -> Answer {
        match operation {
            "GetCallerIdentity" => result(
                operation,
                &format!("<Account>{ACCOUNT}</Account><Arn>arn:aws:iam::{ACCOUNT}:user/me</Arn>"),
            ),
            "GetAccount" if self.logging_role => {
                Answer::ok(r#"{"cloudwatchRoleArn":"arn:aws:iam::123456789012:role/logs"}"#)
            }
            "GetAccount" => Answer::ok("{}"),
            "GetBucketLifecycle" if self.bucket_is_there => {
                Answer::ok("<LifecycleConfiguration></LifecycleConfiguration>")
            }
            "GetBucketLifecycle" => s3_error(404, "NoSuchBucket"),
            "CreateBucket" => {
                self.bucket_is_there = true;
                Answer::ok("")
            }
            "HeadObject" if self.objects.contains(&request.path) => Answer::ok(""),
            "HeadObject" => s3_error(404, "NotFound"),
            "PutObject" => {
                self.objects.insert(request.path.clone());
                Answer::ok("")
            }
            "ListObjectVersions" => {
                let keys = self.objects.iter().map(|key| {
                    format!("<Version><Key>{key}</Key><VersionId>null</VersionId></Version>")
                });
                let keys: String = keys.collect();
                Answer::ok(format!("<ListVersionsResult>{keys}</ListVersionsResult>"))
            }
            "DeleteObjects" => {
                self.objects.clear();
                Answer::ok("<DeleteResult></DeleteResult>")
            }
            "DescribeTable" | "ListTagsOfResource" | "GetQueueUrl" | "ListQueueTags" => {
                self.answer_in_json(operation, &request.body)
            }
            _ if operation.starts_with("PutBucket:") => Answer::ok(""),
            _ => self.answer_for_cloudformation(operation, &request.form()),
        }
    }

    fn answer_in_json(&self, operation: &str, body: &str) -> Answer {
        let asked: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let name = |field: &str| {
            let name = asked[field].as_str().unwrap_or_default();
            name.rsplit('/').next().unwrap_or_default().to_owned()
        };
        let missing = |code: &str| Answer {
            status: 400,
            body: json!({ "__type": format!("com.amazonaws#{code}"), "message": code }).to_string(),
        };
        let answer = match operation {
            "DescribeTable" => {
                let name = name("TableName");
                if !self.tables.contains_key(&name) {
                    return missing("ResourceNotFoundException");
                }
                json!({ "Table": { "TableArn": format!("arn:aws:dynamodb:table/{name}") } })
            }
            "ListTagsOfResource" => {
                let tags = self.tables[&name("ResourceArn")].iter();
                let tags: Vec<_> = tags
                    .map(|(key, value)| json!({ "Key": key, "Value": value }))
                    .collect();
                json!({ "Tags": tags })
            }
            "GetQueueUrl" => {
                let name = name("QueueName");
                if !self.queues.contains_key(&name) {
                    return missing("QueueDoesNotExist");
                }
                json!({ "QueueUrl": format!("https://sqs/{ACCOUNT}/{name}") })
            }
            _ => {
                let tags: HashMap<_, _> = self.queues[&name("QueueUrl")].iter().cloned().collect();
                json!({ "Tags": tags })
            }
        };
        Answer::ok(answer.to_string())
    }

    fn answer_for_cloudformation(
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
            "DescribeStackEvents" => self.tell(form),
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
                "<StackResourceSummaries>\
                 <member><LogicalResourceId>JobsTable</LogicalResourceId>\
                 <PhysicalResourceId>jobs</PhysicalResourceId>\
                 <ResourceType>AWS::DynamoDB::Table</ResourceType>\
                 <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>\
                 <member><LogicalResourceId>ObjectsBucket</LogicalResourceId>\
                 <PhysicalResourceId>the-objects</PhysicalResourceId>\
                 <ResourceType>AWS::S3::Bucket</ResourceType>\
                 <ResourceStatus>CREATE_COMPLETE</ResourceStatus></member>\
                 </StackResourceSummaries>",
            ),
            _ => Answer {
                status: 400,
                body: error("InvalidAction", operation),
            },
        }
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
        // What has never been made has nothing to tell.
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
            template: form.get("TemplateBody").cloned().unwrap_or_default(),
            parameters: pairs(&form, "Parameters", "ParameterKey", "ParameterValue"),
            tags: pairs(&form, "Tags", "Key", "Value"),
            status,
            ..Stack::default()
        });
    }

    /// The events, the newest first.
    fn tell(&mut self, form: &HashMap<String, String>) -> Answer {
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
