//! The system's costs, as the number of billed calls.

use end_to_end::{
    System, needs,
    script::{Script, StageScript},
    worker::{progress, stage_complete},
};
use local_aws::Call;
use stagecast_contract::tables::Connections;
use typed_contract::tables::Table as _;

fn by<'a>(caller: &'a str, operation: &'a str) -> impl Fn(&Call) -> bool + use<'a> {
    move |call| call.caller == caller && call.operation == operation
}

fn is_read(call: &Call) -> bool {
    ["dynamodb:GetItem", "dynamodb:Query"].contains(&call.operation.as_str())
}

/// The number of measured windows. A busy machine may delay the pipeline in some of them, which drops
/// updates or adds reads; extra calls of the product itself appear in all of them.
const WINDOWS: usize = 5;

/// Counts the pipeline's reads, writes and posts in windows of eight progress updates of a job in
/// steady state.
async fn steady_state(audience: usize) -> Vec<[u64; 3]> {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(100_000, 50),
        ..Script::default()
    };
    let job = system.create_scripted(&script).await;
    let mut clients = Vec::new();
    for _ in 0..audience {
        clients.push(system.watch(&job).await);
    }
    // Once every client has got a message, the list of subscribers has been read.
    for client in &mut clients {
        for _ in 0..6 {
            assert_eq!(
                client.next().await.expect("a message")["type"],
                "progress_update"
            );
        }
    }
    let calls = system.local().calls();
    let mut windows = Vec::new();
    for _ in 0..WINDOWS {
        calls.clear();
        for client in &mut clients {
            for _ in 0..8 {
                assert_eq!(
                    client.next().await.expect("a message")["type"],
                    "progress_update"
                );
            }
        }
        let reads = calls.count(|call| call.caller == "pipeline" && is_read(call));
        let writes = calls.count(by("pipeline", "dynamodb:UpdateItem"));
        let posts = calls.count(by("pipeline", "execute-api:ManageConnections"));
        // Every ten seconds, the run extends the visibility timeout of its job message.
        let hidden = calls.count(by("pipeline", "sqs:ChangeMessageVisibility"));
        let others = calls.count(|call| call.caller == "pipeline") - reads - writes - posts;
        assert_eq!(others, hidden, "{:#?}", calls.all());
        windows.push([reads, writes, posts]);
    }
    let cancel = serde_json::json!({ "type": "cancel_job", "job_id": job.id });
    clients[0].send(&cancel).await;
    for client in &mut clients {
        client.until_job_ends().await;
    }
    for client in clients {
        client.close().await;
    }
    system.finish().await;
    windows
}

#[tokio::test]
async fn progress_update_costs_one_write_for_any_audience() {
    needs!(CountCalls);
    for audience in [1, 5] {
        let windows = steady_state(audience).await;
        let is_steady = |&[reads, writes, posts]: &[u64; 3]| {
            // Some updates were in flight when counting began or ended.
            let updates = posts / audience as u64;
            reads == 0 && writes.abs_diff(updates) <= 2 && updates >= 6
        };
        assert!(
            windows.iter().any(is_steady),
            "audience {audience}: reads, writes and posts were {windows:?}"
        );
    }
}

#[tokio::test]
async fn subscribe_costs_one_transaction_and_two_reads() {
    needs!(CountCalls);
    let system = System::scripted().await;
    let job = system.create_scripted(&Script::default()).await;
    // The job must have ended: a running job may be read twice.
    let mut first = system.watch(&job).await;
    first.until_job_ends().await;
    first.close().await;
    system
        .eventually("the first client is gone", async |system| {
            system.items(Connections::SPEC).await.is_empty()
        })
        .await;

    let mut client = system.connect().await;
    let calls = system.local().calls();
    calls.clear();
    client.ask(&job.subscribe(), "subscribed").await;
    let calls = calls.all();
    let count = |operation: &str| -> u64 {
        let matching = calls.iter().filter(|(call, _)| call.operation == operation);
        matching.map(|(_, count)| count).sum()
    };
    assert_eq!(count("dynamodb:TransactWriteItems"), 1, "{calls:#?}");
    // The job and the connection are read in one transaction, then the log.
    assert_eq!(count("dynamodb:TransactGetItems"), 1, "{calls:#?}");
    assert_eq!(count("dynamodb:Query"), 1, "{calls:#?}");
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn durable_message_costs_two_writes() {
    needs!(CountCalls);
    let system = System::scripted().await;
    // The stages report no progress, only 0 and 100 percent.
    let (_, mut client) = system.create_and_watch(Script::default()).await;
    client.until_job_ends().await;
    let (claims, progress, durable) = (1, 2 * 2, 3);
    let calls = system.local().calls();
    let logged = calls.count(by("pipeline", "dynamodb:PutItem"));
    assert_eq!(logged, durable, "one write to the log each");
    let updates = calls.count(by("pipeline", "dynamodb:UpdateItem"));
    // And one for the durations of the stages, unless they were too short to measure.
    let least = claims + progress + durable;
    assert!((least..=least + 1).contains(&updates), "{:#?}", calls.all());
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn external_post_costs_one_read_and_the_writes_of_its_events() {
    needs!(CountCalls);
    let system = System::start_with(|options| options.concurrency = 1).await;
    let (job, mut worker) = system.create_external("").await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(system.watch(&job).await);
    }
    worker.claim(&["a", "b"]).await;
    // After the first post, the function has the list of subscribers.
    worker
        .post_events(serde_json::json!([progress("a", 1)]))
        .await;
    let calls = system.local().calls();
    let count = |operation: &str| calls.count(by("worker", operation));

    calls.clear();
    for percent in 2..=11 {
        worker
            .post_events(serde_json::json!([progress("a", percent)]))
            .await;
    }
    assert_eq!(count("dynamodb:GetItem"), 10);
    assert_eq!(count("dynamodb:UpdateItem"), 10);
    assert_eq!(count("execute-api:ManageConnections"), 30);
    assert_eq!(calls.count(|call| call.caller == "worker"), 50);

    calls.clear();
    worker
        .post_events(serde_json::json!([stage_complete("a", 1)]))
        .await;
    // One read and one write more if the stage was long enough to measure its duration.
    let durations = count("dynamodb:GetItem") - 1;
    assert!(durations <= 1, "{:#?}", calls.all());
    assert_eq!(count("dynamodb:PutItem"), 1);
    assert_eq!(count("dynamodb:UpdateItem"), 1 + durations);
    assert_eq!(count("execute-api:ManageConnections"), 3);
    let all = calls.count(|call| call.caller == "worker");
    assert_eq!(all, 6 + 2 * durations);
    for client in clients {
        client.close().await;
    }
    system.finish().await;
}
