//! Tasks that are split into parts.

use granted_aws::Database;
use local_aws::Fault;
use stagecast_contract::{functions::WebSocketFunction, queues::DeliveryTask};
use stagecast_core::{models::Subscriber, stores::correlation_id};
use stagecast_testing::fixtures::{TestJob, environment};

use super::{Site, connections, log_task};

/// Subscribes `count` open connections. Their ids sort by their numbers.
async fn subscribe_many(site: &Site, job: &TestJob, count: usize) -> Vec<String> {
    let config = site.aws.config::<WebSocketFunction>();
    let environment = environment::<WebSocketFunction>(&site.aws);
    let database = Database::new(&config, &environment);
    let since = site.clock.now().plus_seconds(-60);
    let ids: Vec<_> = (0..count).map(|number| format!("c{number:05}")).collect();
    for ids in ids.chunks(100) {
        let mut transaction = database.transaction();
        for id in ids {
            let subscriber = Subscriber {
                job_id: job.id.clone(),
                connection_id: id.clone(),
                connected_at: since,
                subscribed_at: since,
                at_seq: 0,
                correlation_id: correlation_id(id, since),
                expires_at: since.plus_seconds(3600).epoch_seconds(),
                token: None,
                feed: None,
            };
            let item = subscriber.to_dynamodb_item().expect("an item");
            let put = transaction.put::<Subscriber>(|put| put.set_item(Some(item)));
            transaction = put.expect("a write");
            site.aws.connect(id);
        }
        let written = transaction.build().send().await;
        written.expect("subscriptions can be stored");
    }
    ids
}

fn part(job: &TestJob, ids: &[String]) -> DeliveryTask {
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    DeliveryTask::log(job.id.clone(), connections(&ids), 0)
}

#[tokio::test]
async fn larger_task_is_queued_in_parts_and_not_executed() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    let ids = subscribe_many(&site, &job, 501).await;

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(done);
    let parts = [part(&job, &ids[..500]), part(&job, &ids[500..])];
    assert_eq!(site.queued(), parts);
    assert!(ids.iter().all(|id| site.received(id).is_empty()));
}

#[tokio::test]
async fn part_of_a_task_is_sent_to_its_connections() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    let ids = subscribe_many(&site, &job, 12).await;

    let done = site.deliver(&part(&job, &ids[3..6])).await;

    assert!(done);
    let served = ids.iter().filter(|id| site.received(id) == [1]);
    assert_eq!(served.collect::<Vec<_>>(), ["c00003", "c00004", "c00005"]);
}

#[tokio::test]
async fn task_stays_on_the_queue_when_its_parts_cannot_be_queued() {
    let site = Site::new();
    let (job, _) = site.job_with_stages(1).await;
    let ids = subscribe_many(&site, &job, 501).await;
    site.aws.fail(0..1, Fault::Outage, |call| {
        call.operation == "sqs:SendMessage"
    });

    let done = site.deliver(&log_task(&job, 0)).await;

    assert!(!done);
    assert!(site.queued().is_empty());
    assert!(ids.iter().all(|id| site.received(id).is_empty()));
}
