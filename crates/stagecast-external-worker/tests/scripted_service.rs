//! A pipeline in the worker, against a service that a script plays.

#![allow(
    clippy::unwrap_used,
    reason = "it is a test, also outside of the test functions"
)]

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use stage_pipeline::{JobInput, Pipeline, Progress, Stage, StageError};
use stagecast_client::{JobId, WorkerKey};
use stagecast_external_worker::{Outcome, PipelineRunner, Shutdown, Worker};
use tokio::net::TcpListener;

/// The service's side of one job.
#[derive(Default)]
struct Script {
    log: Vec<Value>,
    checkpoint: Value,
    requests: Vec<(String, Value)>,
    uploads: Vec<Bytes>,
    /// Answers to the next posts of durable events, instead of the service's own.
    refusals: Vec<(u16, &'static str)>,
    /// Whether the answers to the first posts are lost after they were applied.
    lost_answers: usize,
    cancel_requested: bool,
    epoch: u64,
    address: String,
}

type Service = Arc<Mutex<Script>>;

impl Script {
    fn answer(&mut self, path: &str, body: &Bytes) -> (u16, Vec<u8>) {
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let what = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.requests.push((what.clone(), json.clone()));
        let (status, answer) = match what.as_str() {
            "claim" => (200, self.claim()),
            "input" => return (200, b"one two three".to_vec()),
            "artifacts" => {
                let url = format!("{}/bucket", self.address);
                let headers = json!({ "content-length": json["size"].to_string() });
                let expires = "2026-01-01T00:00:00Z";
                (
                    200,
                    json!({ "job_id": ID, "url": url, "headers": headers, "url_expires_at": expires }),
                )
            }
            "bucket" => {
                self.uploads.push(body.clone());
                (200, Value::Null)
            }
            "release" => (200, json!({ "job_id": ID, "status": "queued" })),
            "events" => self.post(&json),
            _ => (404, Value::Null),
        };
        (status, answer.to_string().into_bytes())
    }

    fn claim(&mut self) -> Value {
        self.epoch += 1;
        let stages = self
            .log
            .iter()
            .filter(|event| event["type"] == "stage_complete");
        let finished: Vec<_> = stages
            .map(|it| json!({ "stage": it["stage"], "results": it["results"] }))
            .collect();
        let mut claimed = json!({
            "job_id": ID, "epoch": self.epoch, "seq": self.log.len(), "content_type": "text/plain",
            "cancel_requested": self.cancel_requested, "lease_expires_at": "2026-01-01T00:00:00Z",
            "finished": finished,
        });
        if !self.checkpoint.is_null() {
            claimed["checkpoint"] = self.checkpoint.clone();
        }
        claimed
    }

    fn post(&mut self, body: &Value) -> (u16, Value) {
        let is_durable =
            |it: &Value| !matches!(it["type"].as_str(), Some("progress_update" | "checkpoint"));
        let events = body["events"].as_array().unwrap();
        if events.iter().any(is_durable)
            && let Some((status, code)) = self.refusals.pop()
        {
            return (
                status,
                json!({ "error": { "code": code, "message": code } }),
            );
        }
        let mut seq = usize::try_from(body["after_seq"].as_u64().unwrap()).unwrap();
        for event in events {
            if event["type"] == "checkpoint" {
                self.checkpoint = json!({ "stage": event["stage"], "state": event["state"] });
            } else if is_durable(event) {
                if self.log.get(seq).is_none() {
                    self.log.push(event.clone());
                }
                seq += 1;
            }
        }
        if self.lost_answers > 0 {
            self.lost_answers -= 1;
            return (500, Value::Null);
        }
        let ends = ["job_complete", "job_failed", "job_cancelled"];
        let last = self.log.last().and_then(|it| it["type"].as_str());
        let status = match last {
            Some(last) if ends.contains(&last) => {
                last.replace("job_", "").replace("complete", "completed")
            }
            _ => "running".to_owned(),
        };
        let answer = json!({
            "job_id": ID, "seq": self.log.len(), "status": status, "cancel_requested": self.cancel_requested,
            "lease_expires_at": "2026-01-01T00:00:00Z",
        });
        (200, answer)
    }

    /// The types of the logged events.
    fn types(&self) -> Vec<&str> {
        self.log
            .iter()
            .filter_map(|event| event["type"].as_str())
            .collect()
    }
}

const ID: &str = "job_20240115_0123456789abcdef";

/// Starts the service.
async fn serve(script: Script) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = Arc::new(Mutex::new(Script { address, ..script }));
    let state = Arc::clone(&service);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            let answer = service_fn(move |request: Request<Incoming>| {
                let state = Arc::clone(&state);
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request
                        .into_body()
                        .collect()
                        .await
                        .expect("a body")
                        .to_bytes();
                    let (status, body) = state.lock().unwrap().answer(&path, &body);
                    let response = Response::builder().status(status);
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).expect("valid"))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    service
}

struct Split;
struct Count;

impl Stage for Split {
    type Input = ();
    type Output = Vec<String>;
    const NAME: &'static str = "split";

    async fn run(
        &self,
        job: JobInput,
        (): (),
        progress: &Progress,
    ) -> Result<Vec<String>, StageError> {
        let bytes = job.bytes().await?;
        progress
            .attach("words.txt", "text/plain", bytes.to_vec())
            .await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.split_whitespace().map(str::to_owned).collect())
    }
}

impl Stage for Count {
    type Input = Vec<String>;
    type Output = usize;
    const NAME: &'static str = "count";

    async fn run(
        &self,
        _: JobInput,
        words: Vec<String>,
        _: &Progress,
    ) -> Result<usize, StageError> {
        Ok(words.len())
    }
}

/// Stores a checkpoint and waits until it is stopped, unless it continues from one.
struct Patient;

impl Stage for Patient {
    type Input = ();
    type Output = u32;
    const NAME: &'static str = "patient";
    const CHECKPOINTS: bool = true;

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<u32, StageError> {
        if let Some(state) = progress.resume::<u32>()? {
            return Ok(state + 1);
        }
        progress.attach("a.txt", "text/plain", "a").await?;
        progress.checkpoint(&41).await?;
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            progress.check_cancelled()?;
        }
    }
}

fn pipeline() -> PipelineRunner {
    PipelineRunner::new(|| Ok::<_, io::Error>(Pipeline::new().then(Split).then(Count))).unwrap()
}

fn patient() -> PipelineRunner {
    PipelineRunner::new(|| Ok::<_, io::Error>(Pipeline::new().then(Patient))).unwrap()
}

async fn run_with(service: &Service, runner: PipelineRunner, shutdown: Shutdown) -> Outcome {
    let url = service.lock().unwrap().address.clone();
    let worker = Worker::new(&url).unwrap().shutdown(shutdown);
    let job_id: JobId = ID.parse().unwrap();
    let key = WorkerKey::from_client("key");
    let outcome = worker.run_job(&job_id, &key, runner).await;
    outcome.expect("a claim")
}

async fn run(service: &Service, runner: PipelineRunner) -> Outcome {
    run_with(service, runner, Shutdown::with_grace(Duration::ZERO)).await
}

/// Waits until the service has received what `is_there` looks for.
async fn until(service: &Service, is_there: impl Fn(&Script) -> bool) {
    let received = async {
        while !is_there(&service.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), received).await;
    in_time.expect("it comes within a minute");
}

#[tokio::test]
async fn pipeline_posts_its_results_and_files_once_although_answers_are_lost() {
    let service = serve(Script {
        lost_answers: 3,
        ..Script::default()
    })
    .await;
    let outcome = run(&service, pipeline()).await;
    assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
    let script = service.lock().unwrap();
    assert_eq!(
        script.types(),
        ["stage_complete", "stage_complete", "job_complete"]
    );
    assert_eq!(script.log[0]["results"], json!(["one", "two", "three"]));
    assert_eq!(script.log[0]["artifacts"][0]["name"], "words.txt");
    assert_eq!(script.log[1].get("artifacts"), None);
    assert_eq!(script.log[1]["results"], 3);
    assert_eq!(script.uploads, ["one two three"]);
}

#[tokio::test]
async fn next_worker_continues_after_the_finished_stages() {
    let finished = json!({ "type": "stage_complete", "stage": "split", "results": ["a", "b"] });
    let service = serve(Script {
        log: vec![finished],
        ..Script::default()
    })
    .await;
    let outcome = run(&service, pipeline()).await;
    assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
    let script = service.lock().unwrap();
    assert_eq!(script.log[1]["results"], 2);
    assert!(
        script.uploads.is_empty(),
        "the first stage does not run again"
    );
}

#[tokio::test]
async fn shutdown_hands_the_job_back_at_its_checkpoint_and_the_next_worker_continues_there() {
    let service = serve(Script::default()).await;
    let shutdown = Shutdown::with_grace(Duration::from_millis(50));
    let stop = async {
        until(&service, |script| !script.checkpoint.is_null()).await;
        shutdown.request();
    };
    let (outcome, ()) = tokio::join!(run_with(&service, patient(), shutdown.clone()), stop);
    assert!(matches!(outcome, Outcome::Released), "{outcome:?}");
    {
        let script = service.lock().unwrap();
        let (last, body) = script.requests.last().unwrap();
        assert_eq!((last.as_str(), &body["epoch"]), ("release", &json!(1)));
        assert!(script.log.is_empty());
    }
    let outcome = run(&service, patient()).await;
    assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
    let script = service.lock().unwrap();
    assert_eq!(script.log[0]["results"], 42);
    // The file was attached before the checkpoint, and is listed at the end of the stage.
    assert_eq!(script.log[0]["artifacts"][0]["name"], "a.txt");
}

#[tokio::test]
async fn checkpoint_of_another_worker_is_its_state() {
    let service = serve(Script {
        checkpoint: json!({ "stage": "patient", "state": 7 }),
        ..Script::default()
    })
    .await;
    let outcome = run(&service, patient()).await;
    assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
    assert_eq!(service.lock().unwrap().log[0]["results"], 8);
}

#[tokio::test]
async fn cancellation_stops_the_stage_and_ends_the_job() {
    let service = serve(Script::default()).await;
    let cancel = async {
        until(&service, |script| !script.checkpoint.is_null()).await;
        let mut script = service.lock().unwrap();
        script.cancel_requested = true;
        // Noticed with the next post.
        script.lost_answers = 0;
    };
    // A further report carries the answer, without waiting for a heartbeat.
    let (outcome, ()) = tokio::join!(run(&service, Reporting::runner()), cancel);
    assert!(matches!(outcome, Outcome::Cancelled), "{outcome:?}");
    let script = service.lock().unwrap();
    assert_eq!(
        script.log,
        [json!({ "type": "job_cancelled", "stage": "reporting" })]
    );
}

/// Reports until it is stopped.
struct Reporting;

impl Reporting {
    fn runner() -> PipelineRunner {
        PipelineRunner::new(|| Ok::<_, io::Error>(Pipeline::new().then(Self))).unwrap()
    }
}

impl Stage for Reporting {
    type Input = ();
    type Output = ();
    const NAME: &'static str = "reporting";
    const CHECKPOINTS: bool = true;

    async fn run(&self, _: JobInput, (): (), progress: &Progress) -> Result<(), StageError> {
        progress.checkpoint(&0).await?;
        for percent in (0..=99).cycle() {
            progress.report(percent, format!("{percent}"));
            tokio::time::sleep(Duration::from_millis(20)).await;
            progress.check_cancelled()?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn cancellation_before_the_claim_runs_no_stage() {
    let service = serve(Script {
        cancel_requested: true,
        ..Script::default()
    })
    .await;
    let outcome = run(&service, pipeline()).await;
    assert!(matches!(outcome, Outcome::Cancelled), "{outcome:?}");
    assert_eq!(service.lock().unwrap().types(), ["job_cancelled"]);
}

#[tokio::test]
async fn worker_that_has_lost_its_lease_posts_nothing_more() {
    let service = serve(Script {
        refusals: vec![(409, "lease_lost")],
        ..Script::default()
    })
    .await;
    let outcome = run(&service, pipeline()).await;
    let Outcome::Lost(error) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.code(), Some("lease_lost"));
    let script = service.lock().unwrap();
    let (last, body) = script.requests.last().unwrap();
    assert_eq!(
        (last.as_str(), &body["events"][0]["type"]),
        ("events", &json!("stage_complete"))
    );
}

#[tokio::test]
async fn results_that_the_service_rejects_fail_the_job_with_its_code() {
    let service = serve(Script {
        refusals: vec![(413, "body_too_large")],
        ..Script::default()
    })
    .await;
    let outcome = run(&service, pipeline()).await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    let script = service.lock().unwrap();
    assert_eq!(script.types(), ["job_failed"]);
    assert_eq!(script.log[0]["error"]["code"], "body_too_large");
    assert_eq!(script.log[0]["stage"], "split");
}

#[tokio::test]
async fn job_that_has_ended_elsewhere_is_left_alone() {
    let service = serve(Script {
        refusals: vec![(409, "job_already_finished")],
        ..Script::default()
    })
    .await;
    let outcome = run(&service, pipeline()).await;
    assert!(matches!(outcome, Outcome::Ended), "{outcome:?}");
    assert!(service.lock().unwrap().log.is_empty());
}
