//! Workers that listen to a queue: they claim when they are notified, and do not poll.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use end_to_end::{Client, System, worker::stage_complete};
use serde_json::{Value, json};
use stagecast_contract::{ids::WorkerToken, tables::WorkQueues};
use tokio::{sync::mpsc, task::JoinSet};
use typed_contract::tables::Table as _;

use crate::abandoned::run_watchdog;

fn end() -> Value {
    json!([stage_complete("a", 1), { "type": "job_complete" }])
}

/// Claims and runs jobs until the queue is empty. Returns the number of claims.
async fn run_jobs(
    system: &System,
    token: &WorkerToken,
    listener: &str,
    done: &mpsc::UnboundedSender<String>,
) -> usize {
    let mut claims = 1;
    while let Some((claimed, mut worker)) = system.claim_listening("plans", token, listener).await {
        claims += 1;
        worker.post_events(end()).await;
        let id = claimed["job_id"].as_str().expect("a string").to_owned();
        done.send(id).expect("the scenario counts the jobs");
    }
    claims
}

/// What `workers` send next. Panics with the panic of a worker that ends: others would wait for it for ever.
async fn of_running_workers<T>(
    workers: &mut JoinSet<()>,
    received: impl Future<Output = Option<T>>,
) -> T {
    tokio::select! {
        ended = workers.join_next() => panic!("a worker ended: {ended:?}"),
        received = received => received.expect("the workers send"),
    }
}

async fn listeners(system: &System) -> usize {
    let items = system.items(WorkQueues::SPEC).await;
    let is_listener = |item: &&Value| item.get("is_armed").is_some();
    items.iter().filter(is_listener).count()
}

async fn stop(mut client: Client) -> Client {
    let stop = json!({ "type": "stop_listening", "queue": "plans" });
    client.ask(&stop, "stopped_listening").await;
    client
}

#[tokio::test]
async fn three_workers_run_jobs_without_polling() {
    const JOBS: usize = 6;
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = Arc::new(System::start().await);
    let token = system.worker_token().await;
    let claims = Arc::new(AtomicUsize::new(0));
    let (done, mut finished) = mpsc::unbounded_channel();
    let (ready, mut is_ready) = mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let (system, token, claims) = (Arc::clone(&system), token.clone(), Arc::clone(&claims));
        let (done, ready) = (done.clone(), ready.clone());
        workers.spawn(async move {
            let (mut client, listener) = system.listen("plans", &token).await;
            let made = run_jobs(&system, &token, &listener, &done).await;
            claims.fetch_add(made, Ordering::SeqCst);
            ready.send(()).expect("the scenario waits");
            loop {
                client.expect("job_available").await;
                let made = run_jobs(&system, &token, &listener, &done).await;
                claims.fetch_add(made, Ordering::SeqCst);
            }
        });
    }
    for _ in 0..3 {
        of_running_workers(&mut workers, is_ready.recv()).await;
    }
    assert_eq!(claims.load(Ordering::SeqCst), 3);

    for _ in 0..JOBS {
        let job = system.create_in_queue("queue=plans", "input").await;
        assert_eq!(
            of_running_workers(&mut workers, finished.recv()).await,
            job.id
        );
    }

    // A job wakes two workers: one claims it and then finds the queue empty, the other only finds it empty. At most
    // one notification is passed on for each claim.
    let made = claims.load(Ordering::SeqCst);
    assert!(made <= 3 + 4 * JOBS, "{made}");
    workers.shutdown().await;
    let system = Arc::into_inner(system).expect("the workers have ended");
    system
        .eventually(
            "the listeners of closed connections are deleted",
            async |system| listeners(system).await == 0,
        )
        .await;
    system.finish().await;
}

#[tokio::test]
async fn job_of_a_killed_worker_wakes_another() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = System::start().await;
    let token = system.worker_token().await;
    let job = system.create_in_queue("queue=plans", "input").await;
    let (_, dead) = system.claim_from("plans", &token).await.expect("the job");
    let (mut client, listener) = system.listen("plans", &token).await;
    let idle = system.claim_listening("plans", &token, &listener).await;
    assert!(idle.is_none());

    system.end_lease(&job).await;
    run_watchdog(&system, &job, Some(dead.epoch)).await;

    let available = client.expect("job_available").await;
    assert_eq!(available["queue"], "plans");
    let claimed = system.claim_listening("plans", &token, &listener).await;
    let (claimed, mut worker) = claimed.expect("the job");
    assert_eq!(claimed["job_id"], job.id);
    worker.post_events(end()).await;
    stop(client).await.close().await;
    system.finish().await;
}

#[tokio::test]
async fn worker_that_stops_listening_is_not_notified() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = System::start().await;
    let token = system.worker_token().await;
    let (client, listener) = system.listen("plans", &token).await;
    let idle = system.claim_listening("plans", &token, &listener).await;
    assert!(idle.is_none());
    let mut client = stop(client).await;
    assert_eq!(listeners(&system).await, 0);

    let job = system.create_in_queue("queue=plans", "input").await;

    // The next message is the reply.
    client.send(&json!({ "type": "ping" })).await;
    assert_eq!(client.next().await.expect("a message")["type"], "pong");
    let claimed = system.claim_listening("plans", &token, &listener).await;
    let (claimed, mut worker) = claimed.expect("the job");
    assert_eq!(claimed["job_id"], job.id);
    // A job that is left running would be in the queue of later scenarios once its lease is over.
    worker.post_events(end()).await;
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn unknown_token_and_unknown_queue_are_refused() {
    let _alone = stagecast_scenarios::System::alone_in_queues().await;
    let system = System::start().await;
    let token = system.worker_token().await;
    let wrong = WorkerToken::new([1; 8], [1; 16]);
    let mut client = system.connect().await;
    for (queue, token, code) in [
        ("plans", &wrong, "invalid_worker_token"),
        ("nosuch", &token, "unknown_queue"),
    ] {
        let listen = json!({ "type": "listen", "queue": queue, "worker_token": token.reveal() });
        let error = client.ask(&listen, "error").await;
        assert_eq!(error["code"], code);
    }
    assert_eq!(listeners(&system).await, 0);
    client.close().await;
    system.finish().await;
}
