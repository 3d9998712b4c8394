//! The answers of all services but CloudFormation.

use std::{collections::HashMap, path::Path};

use serde_json::json;

use super::{
    super::http::{Answer, Request},
    ACCOUNT,
    state::State,
    xml::{result, s3_error},
};

impl State {
    /// Does what a request asks for, and answers it.
    pub(super) fn answer(&mut self, operation: &str, request: &Request) -> Answer {
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
            "HeadObject" if self.objects.contains(&request.path) => {
                let hash = self.hashes.get(&request.path);
                Answer::ok(
                    hash.map_or_else(String::new, |hash| format!("x-amz-meta-sha256: {hash}\r\n")),
                )
            }
            "HeadObject" => s3_error(404, "NotFound"),
            "PutObject" => {
                if let Some(hash) = request.headers.get("x-amz-meta-sha256") {
                    self.hashes.insert(request.path.clone(), hash.clone());
                }
                if Path::new(&request.path).extension() == Some("yaml".as_ref()) {
                    let template = (request.path.clone(), request.body.clone());
                    self.templates.extend([template]);
                }
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
        let request: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let name = |field: &str| {
            let name = request[field].as_str().unwrap_or_default();
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
}
