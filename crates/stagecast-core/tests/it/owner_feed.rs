//! The publisher of a job with an owner: what the subscribers of the owner's feed get, and what that costs.

use std::time::Duration;

use granted_aws::Database;
use local_aws::{Call, Fault};
use serde_json::{Value, json};
use stagecast_contract::{
    functions::WebSocketFunction,
    limits::MAX_DIRECT_SUBSCRIBERS,
    messages::WorkAmount,
    queues::DeliveryQueue,
    tables::{Jobs, Subscribers},
};
use stagecast_core::{
    clock::Clock,
    models::{Connection, Feed, FeedSubscriber, TerminalState},
    stores::{ProgressPoint, correlation_id},
};
use stagecast_testing::{
    TestAws,
    fixtures::{
        self, claimed, job, job_as, job_of_owner, json as results, stores, subscribed,
        subscribed_to_owner,
    },
};
use typed_contract::tables::Table as _;

const OWNER: &str = "user-7";

fn point(percent: u8) -> ProgressPoint {
    ProgressPoint {
        stage: "a".to_owned(),
        progress: percent,
        overall_progress: percent,
        message: String::new(),
        estimated_seconds_remaining: None,
        work: WorkAmount::default(),
    }
}

fn kinds(messages: &[Value]) -> Vec<&str> {
    let kinds = messages.iter().map(|it| it["type"].as_str());
    kinds.map(Option::unwrap_or_default).collect()
}

/// Stores subscriptions of many connections to the owner's feed.
async fn subscribe_many(aws: &TestAws, clock: &Clock, count: usize) {
    let environment = fixtures::environment::<WebSocketFunction>(aws);
    let database = Database::new(&aws.config::<WebSocketFunction>(), &environment);
    let (since, feed) = (
        clock.now().plus_seconds(-60),
        Feed::new(OWNER, std::collections::BTreeMap::default()),
    );
    let ids: Vec<_> = (0..count).map(|number| format!("f{number:05}")).collect();
    for ids in ids.chunks(100) {
        let mut transaction = database.transaction();
        for id in ids {
            let correlation = correlation_id(id, since);
            let subscription = Connection::of_feed(id, feed.clone(), correlation, since);
            let subscriber = FeedSubscriber::of(&subscription, since).expect("it is to a feed");
            let item = subscriber.to_dynamodb_item().expect("an item");
            let put = transaction.put::<FeedSubscriber>(|put| put.set_item(Some(item)));
            transaction = put.expect("a write");
            aws.connect(id);
        }
        let written = transaction.build().send().await;
        written.expect("subscriptions can be stored");
    }
}

#[tokio::test]
async fn feed_gets_the_messages_of_all_jobs_of_the_owner_and_of_no_other() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let jobs = [
        job_of_owner(&aws, &clock, 1, OWNER).await,
        job_of_owner(&aws, &clock, 2, OWNER).await,
        job_of_owner(&aws, &clock, 3, "user-70").await,
        job(&aws, &clock, 4).await,
    ];
    subscribed_to_owner(&aws, &clock, OWNER, &[], "c1").await;
    for job in &jobs {
        let mut run = claimed(&aws, &clock, job).await;
        run.finish_stage("a", None, results("1")).await.unwrap();
        run.end(&TerminalState::Completed, None, None)
            .await
            .unwrap();
        run.flush().await;
    }

    let messages = aws.take_messages("c1");

    let got = messages
        .iter()
        .map(|it| (it["job_id"].clone(), it["seq"].clone()));
    let of = |index: usize, seq: u64| (json!(jobs[index].id), json!(seq));
    assert_eq!(
        got.collect::<Vec<_>>(),
        [of(0, 1), of(0, 2), of(1, 1), of(1, 2)]
    );
}

#[tokio::test]
async fn connection_that_subscribes_to_job_and_owner_gets_a_message_once() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job_of_owner(&aws, &clock, 1, OWNER).await;
    subscribed(&aws, &clock, &job, "c1").await;
    subscribed_to_owner(&aws, &clock, OWNER, &[], "c1").await;
    subscribed_to_owner(&aws, &clock, OWNER, &[], "c2").await;
    let mut run = claimed(&aws, &clock, &job).await;

    run.report(&point(10)).await.unwrap();
    run.finish_stage("a", None, results("1")).await.unwrap();
    run.flush().await;

    for connection in ["c1", "c2"] {
        let messages = aws.take_messages(connection);
        let durable = kinds(&messages)
            .into_iter()
            .filter(|it| *it == "stage_complete");
        assert_eq!(durable.count(), 1, "{connection}: {messages:?}");
    }
}

#[tokio::test]
async fn feed_that_is_limited_to_labels_gets_jobs_with_them() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    subscribed_to_owner(&aws, &clock, OWNER, &[("team", "blue")], "c1").await;
    for (number, team) in [(1, "red"), (2, "blue")] {
        let labelled = |mut job: stagecast_core::models::Job| {
            job.owner = Some(OWNER.to_owned());
            job.labels.insert("team".to_owned(), team.to_owned());
            job
        };
        let job = job_as(&aws, &clock, number, labelled).await;
        let mut run = claimed(&aws, &clock, &job).await;
        run.finish_stage(team, None, results("1")).await.unwrap();
        run.flush().await;
    }

    let messages = aws.take_messages("c1");

    assert_eq!(messages.len(), 1, "{messages:?}");
    assert_eq!(messages[0]["stage"], "blue");
}

#[tokio::test(start_paused = true)]
async fn feed_gets_progress_at_most_every_two_seconds() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job_of_owner(&aws, &clock, 1, OWNER).await;
    subscribed_to_owner(&aws, &clock, OWNER, &[], "c1").await;
    let mut run = claimed(&aws, &clock, &job).await;

    for percent in 0..16 {
        run.report(&point(percent)).await.unwrap();
        run.flush().await;
        tokio::time::advance(Duration::from_millis(250)).await;
    }

    let messages = aws.take_messages("c1");
    let progress = messages.iter().map(|it| it["progress"].as_u64());
    assert_eq!(progress.collect::<Vec<_>>(), [Some(0), Some(8)]);
}

#[tokio::test]
async fn subscription_during_a_run_gets_the_next_durable_message() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job_of_owner(&aws, &clock, 1, OWNER).await;
    let mut run = claimed(&aws, &clock, &job).await;
    run.finish_stage("a", None, results("1")).await.unwrap();

    subscribed_to_owner(&aws, &clock, OWNER, &[], "c1").await;
    run.finish_stage("b", None, results("2")).await.unwrap();
    run.flush().await;

    let messages = aws.take_messages("c1");
    assert_eq!(kinds(&messages), ["stage_complete"]);
    assert_eq!(messages[0]["seq"], 2);
}

#[tokio::test]
async fn message_for_a_list_that_cannot_be_read_is_left_to_the_delivery_function() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job_of_owner(&aws, &clock, 1, OWNER).await;
    subscribed_to_owner(&aws, &clock, OWNER, &[], "c1").await;
    let mut run = claimed(&aws, &clock, &job).await;
    run.finish_stage("a", None, results("1")).await.unwrap();
    run.flush().await;
    aws.take_messages("c1");
    // The list of the job has not changed, so the only query is that of the feed.
    aws.fail(0..10, Fault::Outage, |call| {
        call.operation == "dynamodb:Query" && call.resource.contains(Subscribers::SPEC.name)
    });

    run.finish_stage("b", None, results("2")).await.unwrap();
    run.flush().await;

    assert!(aws.take_messages("c1").is_empty());
    let task = &aws.queued::<DeliveryQueue>()[0];
    assert_eq!(task["audience"], "all_subscribers");
    assert_eq!(
        (&task["after_seq"], &task["through_seq"]),
        (&json!(1), &json!(2))
    );
}

/// The calls of a durable message and of a progress update in steady state.
async fn costs(owner: Option<&str>, feed_subscribers: usize) -> [Vec<(String, u64)>; 2] {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let of_owner = |mut job: stagecast_core::models::Job| {
        job.owner = owner.map(str::to_owned);
        job
    };
    let job = job_as(&aws, &clock, 1, of_owner).await;
    subscribe_many(&aws, &clock, feed_subscribers).await;
    let mut run = claimed(&aws, &clock, &job).await;
    run.report(&point(1)).await.expect("it succeeds");
    run.flush().await;
    let counted = |aws: &TestAws| {
        let calls = aws.calls().all().into_iter();
        let calls = calls.map(|(call, count): (Call, u64)| (call.operation, count));
        calls.collect::<Vec<_>>()
    };

    aws.calls().clear();
    run.finish_stage("a", None, results("1"))
        .await
        .expect("it succeeds");
    run.flush().await;
    let durable = counted(&aws);
    aws.calls().clear();
    // Sooner than the feed's interval after the last one.
    run.report(&point(2)).await.expect("it succeeds");
    run.flush().await;
    let loaded = stores::<WebSocketFunction>(&aws, &clock)
        .jobs
        .load(&job.id)
        .await;
    assert_eq!(loaded.expect("it succeeds").expect("it succeeds").seq, 1);
    let mut progress = counted(&aws);
    progress.retain(|(operation, _)| operation != "dynamodb:GetItem");
    assert_eq!(aws.items::<Jobs>().len(), 1);
    [durable, progress]
}

// On a slow machine, more than the feed's interval may pass between two updates.
#[tokio::test(start_paused = true)]
async fn durable_message_costs_one_read_more_for_a_job_with_an_owner() {
    let call = |operation: &str, count: u64| (operation.to_owned(), count);
    let (put, update, query) = (
        call("dynamodb:PutItem", 1),
        call("dynamodb:UpdateItem", 1),
        call("dynamodb:Query", 1),
    );
    let posts = |count| call("execute-api:ManageConnections", count);
    let writes = vec![put.clone(), update.clone()];
    let none = [writes, vec![update.clone()]];
    assert_eq!(costs(None, 0).await, none, "without an owner");
    assert_eq!(costs(None, 1).await, none, "without an owner");
    let read = vec![put.clone(), query.clone(), update.clone()];
    assert_eq!(
        costs(Some(OWNER), 0).await,
        [read.clone(), vec![update.clone()]]
    );
    let with_posts = |count, task: Option<(String, u64)>| {
        let mut calls = read.clone();
        calls.push(posts(count));
        calls.extend(task);
        [calls, vec![update.clone()]]
    };
    assert_eq!(costs(Some(OWNER), 1).await, with_posts(1, None));
    let task = call("sqs:SendMessage", 1);
    let direct = MAX_DIRECT_SUBSCRIBERS as u64;
    assert_eq!(
        costs(Some(OWNER), 600).await,
        with_posts(direct, Some(task))
    );
}

#[tokio::test]
async fn subscribers_beyond_the_direct_ones_are_left_to_the_delivery_function() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job_of_owner(&aws, &clock, 1, OWNER).await;
    subscribe_many(&aws, &clock, MAX_DIRECT_SUBSCRIBERS + 1).await;
    let mut run = claimed(&aws, &clock, &job).await;

    run.finish_stage("a", None, results("1")).await.unwrap();
    run.flush().await;

    let task = &aws.queued::<DeliveryQueue>()[0];
    let last = format!("f{:05}", MAX_DIRECT_SUBSCRIBERS - 1);
    assert_eq!(
        task["audience"],
        json!({ "owner_subscribers": { "after": last } })
    );
    assert_eq!(task["content"], "published");
    assert!(
        aws.take_messages(&format!("f{MAX_DIRECT_SUBSCRIBERS:05}"))
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn posts_that_a_request_has_no_time_for_are_left_to_the_delivery_function() {
    let (aws, clock) = (TestAws::new(), fixtures::clock());
    let job = job_of_owner(&aws, &clock, 1, OWNER).await;
    subscribed(&aws, &clock, &job, "c0").await;
    for connection in ["c0", "c1"] {
        subscribed_to_owner(&aws, &clock, OWNER, &[], connection).await;
    }
    let mut run = claimed(&aws, &clock, &job).await;
    aws.faults().on_post(|_| Some(Fault::Hang));

    run.finish_stage("a", None, results("1")).await.unwrap();
    run.flush_within_budget(0).await;

    let tasks = aws.queued::<DeliveryQueue>();
    let audiences = tasks.iter().map(|task| task["audience"].clone());
    assert_eq!(
        audiences.collect::<Vec<_>>(),
        [
            json!({ "connections": ["c0"] }),
            json!({ "owner_connections": ["c1"] }),
        ]
    );
}
