//! The operator of a system: direct access to its tables, queues and connections.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_apigatewaymanagement as management;
use aws_sdk_dynamodb::{
    config::{Credentials, SharedCredentialsProvider},
    types::AttributeValue,
};
use local_aws::Urls;
use serde_json::Value;
use stagecast_contract::{tables::Jobs, timestamp::Timestamp};
use typed_contract::{
    queues::Queue,
    tables::{Table as _, TableSpec},
};

use super::Outputs;

/// AWS clients with full access to a stack's resources.
#[derive(Debug)]
pub(crate) struct Operator {
    outputs: Outputs,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    connections: management::Client,
}

impl Operator {
    /// The operator of a stack.
    pub(crate) fn new(config: &SdkConfig, outputs: Outputs) -> Self {
        let connections = management::config::Builder::from(config)
            .endpoint_url(outputs.connections())
            .build();
        Self {
            outputs,
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            connections: management::Client::from_conf(connections),
        }
    }

    /// All items of a table, as plain JSON.
    pub(crate) async fn items(&self, table: &TableSpec) -> Vec<Value> {
        let scan = self.dynamodb.scan().table_name(self.outputs.table(table));
        let pages = scan.consistent_read(true).into_paginator().items().send();
        let items = pages.collect::<Result<Vec<_>, _>>().await;
        let items = items.unwrap_or_else(|error| panic!("{}: {error:?}", table.name));
        serde_dynamo::from_items(items).expect("items are JSON")
    }

    /// Puts an item, in the format of `stagecast_core::models`.
    pub(crate) async fn put(&self, table: &TableSpec, item: granted_aws::Item) {
        let put = self.dynamodb.put_item().set_item(Some(item));
        let put = put.table_name(self.outputs.table(table)).send().await;
        put.unwrap_or_else(|error| panic!("{}: {error:?}", table.name));
    }

    /// Sets a time attribute, in epoch seconds, of the selected items of a table.
    pub(crate) async fn set_time(
        &self,
        table: &TableSpec,
        attribute: &str,
        at: i64,
        of: impl Fn(&Value) -> bool,
    ) {
        for item in self.items(table).await.into_iter().filter(of) {
            let mut update = self.dynamodb.update_item();
            for key in [Some(table.key.partition), table.key.sort]
                .into_iter()
                .flatten()
            {
                let value: AttributeValue =
                    serde_dynamo::to_attribute_value(&item[key.name]).expect("a key attribute");
                update = update.key(key.name, value);
            }
            update
                .table_name(self.outputs.table(table))
                .update_expression("SET #at = :at")
                .condition_expression("attribute_exists(#key)")
                .expression_attribute_names("#at", attribute)
                .expression_attribute_names("#key", table.key.partition.name)
                .expression_attribute_values(":at", AttributeValue::N(at.to_string()))
                .send()
                .await
                // Do not create an item again that was deleted meanwhile.
                .ok();
        }
    }

    /// Expires the lease of a job, as if its holder had been silent for long.
    pub(crate) async fn end_lease(&self, job_id: &str) {
        let update = self.dynamodb.update_item();
        update
            .table_name(self.outputs.table(Jobs::SPEC))
            .key("job_id", AttributeValue::S(job_id.to_owned()))
            // The holder's last write is always older than the end of its lease.
            .update_expression("SET lease_expires_at = :then, updated_at = :before")
            .condition_expression("attribute_exists(job_id)")
            .expression_attribute_values(":then", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(
                ":before",
                AttributeValue::S(Timestamp::from_epoch_seconds(0).to_string()),
            )
            .send()
            .await
            .expect("the lease is expired");
    }

    /// Expires the upload of a job that awaits its input, as if it had waited for a day.
    pub(crate) async fn expire_upload(&self, job_id: &str) {
        let update = self.dynamodb.update_item();
        update
            .table_name(self.outputs.table(Jobs::SPEC))
            .key("job_id", AttributeValue::S(job_id.to_owned()))
            .update_expression("SET upload.expires_at = :then")
            .condition_expression("attribute_exists(upload)")
            .expression_attribute_values(
                ":then",
                AttributeValue::S(Timestamp::from_epoch_seconds(0).to_string()),
            )
            .send()
            .await
            .expect("the upload is expired");
    }

    /// Sends a message to a queue.
    pub(crate) async fn send<Q: Queue>(&self, message: &Q::Message) {
        let url = self.sqs.get_queue_url();
        let url = url.queue_name(self.outputs.queue(Q::SPEC)).send().await;
        let url = url.expect("the queue").queue_url.expect("its address");
        let body = serde_json::to_string(message).expect("the message is JSON");
        let sent = self.sqs.send_message().queue_url(url).message_body(body);
        sent.send().await.expect("the message is sent");
    }

    /// Whether API Gateway has an open connection with this id.
    pub(crate) async fn is_connected(&self, connection_id: &str) -> bool {
        let connection = self.connections.get_connection();
        let answer = connection.connection_id(connection_id).send().await;
        match answer.map_err(management::error::SdkError::into_service_error) {
            Ok(_) => true,
            Err(error) => {
                assert!(error.is_gone_exception(), "{connection_id}: {error:?}");
                false
            }
        }
    }
}

/// The configuration of a local stack's operator.
pub(crate) fn local_config(urls: &Urls) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "the local stack");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(&urls.endpoint_url)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
