//! DynamoDB, S3, SQS and event sources, through the AWS SDK.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use aws_sdk_s3::presigning::PresigningConfig;
use local_aws::{Call, Fault, LocalStack, QueueDepth};

use crate::harness::{eventually, get, logged, options, start, start_with, within_timeout};

/// A client of an SDK crate. Each crate has its own configuration types.
macro_rules! client {
    ($sdk:ident, $stack:expr $(, $setting:ident)*) => {{
        let config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url($stack.urls().endpoint_url.clone())
            .region($sdk::config::Region::new("us-east-1"))
            .credentials_provider($sdk::config::Credentials::new("test", "test", None, None, "t"))
            .retry_config($sdk::config::retry::RetryConfig::disabled())
            $(.$setting(true))*
            .build();
        $sdk::Client::from_conf(config)
    }};
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn called(operation: &str, resource: &str) -> Call {
    Call {
        caller: "test".to_owned(),
        operation: operation.to_owned(),
        resource: resource.to_owned(),
    }
}

#[tokio::test]
async fn tables_are_created_from_the_template_and_calls_recorded() {
    let stack = start().await;
    let client = client!(aws_sdk_dynamodb, stack);
    let put = client.put_item().table_name("items").item("id", text("1"));
    put.send().await.expect("put");
    let get = client.get_item().table_name("items").key("id", text("1"));
    let item = get.send().await.expect("got").item.expect("an item");
    assert_eq!(item["id"], text("1"));
    assert_eq!(stack.items("items").expect("items")[0]["id"]["S"], "1");
    let calls = stack.calls().all();
    assert_eq!(calls.get(&called("dynamodb:PutItem", "items")), Some(&1));
    assert_eq!(calls.get(&called("dynamodb:GetItem", "items")), Some(&1));
}

#[tokio::test]
async fn failed_conditions_and_transaction_parts_match_dynamodb() {
    let stack = start().await;
    let client = client!(aws_sdk_dynamodb, stack);
    let put = client.put_item().table_name("items").item("id", text("1"));
    let put = put.condition_expression("attribute_exists(id)");
    let error = put.send().await.expect_err("no item").into_service_error();
    assert!(error.is_conditional_check_failed_exception());
    stack.calls().clear();
    let put = Put::builder().table_name("items").item("id", text("2"));
    let update = Update::builder().table_name("items").key("id", text("3"));
    let update = update
        .update_expression("ADD visits :one")
        .condition_expression("attribute_exists(id)")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()));
    let transaction = client
        .transact_write_items()
        .transact_items(
            TransactWriteItem::builder()
                .put(put.build().expect("put"))
                .build(),
        )
        .transact_items(
            TransactWriteItem::builder()
                .update(update.build().expect("update"))
                .build(),
        );
    let error = transaction
        .send()
        .await
        .expect_err("cancelled")
        .into_service_error();
    let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError
        ::TransactionCanceledException(cancelled) = error else { panic!("{error:?}") };
    let reasons = cancelled.cancellation_reasons();
    assert_eq!(reasons[0].code(), Some("None"));
    assert_eq!(reasons[1].code(), Some("ConditionalCheckFailed"));
    let calls = stack.calls().all().into_keys().collect::<Vec<_>>();
    assert_eq!(
        calls,
        [
            called("dynamodb:PutItem", "items"),
            called("dynamodb:TransactWriteItems", "items"),
            called("dynamodb:UpdateItem", "items"),
        ]
    );
}

#[tokio::test]
async fn dynamodb_throttles_and_fails_on_demand() {
    let stack = start().await;
    let client = client!(aws_sdk_dynamodb, stack);
    let get = || {
        client
            .get_item()
            .table_name("items")
            .key("id", text("1"))
            .send()
    };
    stack
        .faults()
        .on_call(|call| (call.operation == "dynamodb:GetItem").then_some(Fault::Throttle));
    let error = get().await.expect_err("throttled").into_service_error();
    assert!(error.is_provisioned_throughput_exceeded_exception());
    stack.faults().on_call(|_| Some(Fault::Outage));
    assert!(
        get()
            .await
            .expect_err("down")
            .into_service_error()
            .is_internal_server_error()
    );
    stack.faults().clear();
    get().await.expect("it works again");
}

#[tokio::test]
async fn presigned_url_reads_a_stored_object() {
    let stack = start().await;
    let client = client!(aws_sdk_s3, stack, force_path_style);
    let bucket = "local-objects";
    let put = client.put_object().bucket(bucket).key("orders/o-1/input");
    let body = aws_sdk_s3::primitives::ByteStream::from_static(b"pixels");
    put.body(body)
        .content_type("image/png")
        .send()
        .await
        .expect("put");
    let get_object = || client.get_object().bucket(bucket).key("orders/o-1/input");
    let object = get_object().send().await.expect("got");
    assert_eq!(object.content_type(), Some("image/png"));
    let bytes = object.body.collect().await.expect("bytes").into_bytes();
    assert_eq!(&bytes[..], b"pixels");
    let missing = client
        .get_object()
        .bucket(bucket)
        .key("nothing")
        .send()
        .await;
    assert!(
        missing
            .expect_err("missing")
            .into_service_error()
            .is_no_such_key()
    );
    let lifetime = PresigningConfig::expires_in(Duration::from_mins(1)).expect("a minute");
    let presigned = get_object().presigned(lifetime).await.expect("signed");
    assert_eq!(&get(presigned.uri()).await.body[..], b"pixels");
    let forged = presigned.uri().replace("o-1", "o-2");
    assert_eq!(get(&forged).await.status.as_u16(), 403);
    assert_eq!(
        stack.calls().all().get(&called("s3:PutObject", bucket)),
        Some(&1)
    );
}

#[tokio::test]
async fn range_of_an_object_is_read_unless_the_object_was_replaced() {
    let stack = start().await;
    let client = client!(aws_sdk_s3, stack, force_path_style);
    let put = async |bytes: &'static [u8]| {
        let put = client.put_object().bucket("local-objects").key("k");
        let body = aws_sdk_s3::primitives::ByteStream::from_static(bytes);
        put.body(body).send().await.expect("put")
    };
    put(b"pixels").await;
    let read = |etag: Option<String>| {
        let get = client.get_object().bucket("local-objects").key("k");
        get.range("bytes=2-3").set_if_match(etag).send()
    };
    let part = read(None).await.expect("a part");
    assert_eq!(part.content_range(), Some("bytes 2-3/6"));
    let etag = part.e_tag().map(str::to_owned);
    assert_eq!(
        &part.body.collect().await.expect("bytes").into_bytes()[..],
        b"xe"
    );
    read(etag.clone()).await.expect("the same object");
    put(b"others").await;
    let error = read(etag).await.expect_err("another object");
    let status = error.raw_response().map(|it| it.status().as_u16());
    assert_eq!(status, Some(412), "{error:?}");
}

#[tokio::test]
async fn presigned_url_works_with_an_authorization_header() {
    let stack = start().await;
    let client = client!(aws_sdk_s3, stack, force_path_style);
    let object = client.put_object().bucket("local-objects").key("k");
    object.send().await.expect("put");
    let lifetime = PresigningConfig::expires_in(Duration::from_mins(1)).expect("a minute");
    let get = client.get_object().bucket("local-objects").key("k");
    let presigned = get.presigned(lifetime).await.expect("signed");
    let headers = [("authorization", "Bearer key")];
    let answer = crate::harness::send(http::Method::GET, presigned.uri(), &headers, "").await;
    assert_eq!(answer.status.as_u16(), 200);
}

#[tokio::test]
async fn queue_invokes_its_function_and_deletes_processed_messages() {
    let stack = start().await;
    let client = client!(aws_sdk_sqs, stack);
    let url = client
        .get_queue_url()
        .queue_name("work")
        .send()
        .await
        .expect("a queue");
    let url = url.queue_url().expect("an address").to_owned();
    client
        .send_message()
        .queue_url(&url)
        .message_body("job")
        .send()
        .await
        .expect("sent");
    let record = logged(&stack, "record ").await;
    assert_eq!(record["body"], "job");
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(
        record["eventSourceARN"],
        "arn:aws:sqs:us-east-1:000000000000:work"
    );
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert!(record["receiptHandle"].is_string());
    let is_empty = || stack.queue_depth("work") == Some(QueueDepth::default());
    eventually(|| is_empty().then_some(())).await;
    assert_eq!(
        stack.calls().all().get(&called("sqs:SendMessage", "work")),
        Some(&1)
    );
}

/// Waits for messages in the dead-letter queue.
async fn wait_for_dead_letters(stack: &LocalStack) -> QueueDepth {
    eventually(|| {
        stack
            .queue_depth("work-dead-letters")
            .filter(|depth| depth.visible > 0)
    })
    .await
}

/// A stack whose queue has this visibility timeout and these messages.
async fn stack_with_messages(bodies: &[&str], hidden_for: Duration) -> LocalStack {
    let mut options = options();
    options
        .visibility_timeouts
        .insert("work".to_owned(), hidden_for);
    let stack = start_with(options).await;
    let client = client!(aws_sdk_sqs, stack);
    let url = format!("{}/000000000000/work", stack.urls().endpoint_url);
    for body in bodies {
        let message = client.send_message().queue_url(&url).message_body(*body);
        message.send().await.expect("sent");
    }
    stack
}

#[tokio::test]
async fn only_failed_items_of_a_batch_stay_on_the_queue() {
    let stack = stack_with_messages(&["fail", "good"], Duration::from_hours(1)).await;
    let left = || stack.queue_messages("work").expect("a queue");
    eventually(|| (left() == ["fail"]).then_some(())).await;
}

#[tokio::test]
async fn failed_message_is_retried_and_then_a_dead_letter() {
    let stack = stack_with_messages(&["fail", "crash"], Duration::from_millis(200)).await;
    eventually(|| {
        let depth = stack.queue_depth("work-dead-letters")?;
        (depth.visible == 2).then_some(())
    })
    .await;
    let mut dead = stack.queue_messages("work-dead-letters").expect("a queue");
    dead.sort();
    assert_eq!(dead, ["crash", "fail"]);
    // The failed item is retried.
    eventually(|| {
        let logs = stack.logs();
        let failing = logs
            .iter()
            .filter(|line| line.text.contains(r#""body":"fail""#));
        (failing.count() >= 2).then_some(())
    })
    .await;
    eventually(|| (stack.queue_depth("work") == Some(QueueDepth::default())).then_some(())).await;
}

#[tokio::test]
async fn queue_works_for_clients_without_a_function() {
    let stack = start().await;
    let client = client!(aws_sdk_sqs, stack);
    let url = format!(
        "{}/000000000000/work-dead-letters",
        stack.urls().endpoint_url
    );
    let send = client
        .send_message()
        .queue_url(&url)
        .message_body("later")
        .delay_seconds(1);
    send.send().await.expect("sent");
    let receive = client
        .receive_message()
        .queue_url(&url)
        .wait_time_seconds(5);
    let received = within_timeout(receive.send()).await.expect("received");
    let message = &received.messages()[0];
    assert_eq!(message.body(), Some("later"));
    let receipt = message.receipt_handle().expect("a receipt");
    let change = client
        .change_message_visibility()
        .queue_url(&url)
        .receipt_handle(receipt);
    change.visibility_timeout(0).send().await.expect("changed");
    let receive = client
        .receive_message()
        .queue_url(&url)
        .send()
        .await
        .expect("received");
    let receipt = receive.messages()[0].receipt_handle().expect("a receipt");
    let delete = client
        .delete_message()
        .queue_url(&url)
        .receipt_handle(receipt);
    delete.send().await.expect("deleted");
    assert_eq!(
        stack.queue_depth("work-dead-letters"),
        Some(QueueDepth::default())
    );
    let missing = client
        .send_message()
        .queue_url("http://x/0/none")
        .message_body("x");
    let error = missing
        .send()
        .await
        .expect_err("no queue")
        .into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
}

#[tokio::test]
async fn data_dir_restores_everything_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut options = options();
    options.data_dir = Some(folder.path().to_owned());
    let stack = start_with(options.clone()).await;
    let client = client!(aws_sdk_dynamodb, stack);
    let put = client
        .put_item()
        .table_name("items")
        .item("id", text("kept"));
    put.send().await.expect("put");
    let url = format!(
        "{}/000000000000/work-dead-letters",
        stack.urls().endpoint_url
    );
    let queues = client!(aws_sdk_sqs, stack);
    queues
        .send_message()
        .queue_url(url)
        .message_body("kept")
        .send()
        .await
        .expect("sent");
    stack.shutdown().await;
    let stack = start_with(options).await;
    assert_eq!(stack.items("items").expect("items")[0]["id"]["S"], "kept");
    assert_eq!(wait_for_dead_letters(&stack).await.visible, 1);
}
