use serde_json::{Value, json};
use stagecast_contract::worker::{WorkerFailure, WorkerJobComplete, WorkerStageComplete};

use super::*;
use crate::error::Rejection;

fn progress(stage: &str, percent: u8) -> WorkerProgress {
    serde_json::from_value(json!({ "stage": stage, "progress": percent, "message": "m" })).unwrap()
}

fn stage(name: &str) -> WorkerEvent {
    WorkerEvent::StageComplete(WorkerStageComplete {
        stage: name.to_owned(),
        results: RawJson::of(name).unwrap(),
        artifacts: Vec::new(),
    })
}

fn complete() -> WorkerEvent {
    WorkerEvent::JobComplete(WorkerJobComplete::default())
}

fn posts() -> Posts {
    Posts::new(3, 0, false, 0, Duration::ZERO)
}

#[expect(clippy::unnecessary_wraps, reason = "it is passed as an answer")]
fn accepted(seq: u64) -> Result<Accepted, Error> {
    Ok(Accepted {
        seq,
        status: JobStatus::Running,
        cancel_requested: false,
    })
}

fn rejected(status: u16, code: &str) -> Error {
    let body = json!({ "error": { "code": code, "message": "m" } }).to_string();
    Rejection::read(status, body.as_bytes(), None).into()
}

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The types of the events of a body.
fn types(body: &Bytes) -> Vec<String> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let events = body["events"].as_array().unwrap().iter();
    events
        .map(|it| it["type"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn progress_waits_for_its_interval_and_the_latest_wins() {
    let mut posts = posts();
    posts.progress(progress("a", 1)).unwrap();
    posts.progress(progress("a", 2)).unwrap();
    assert_eq!(posts.next_post(at(249)), None);
    let body = posts.next_post(at(250)).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["epoch"], &body["after_seq"]), (&json!(3), &json!(0)));
    assert_eq!(body["events"].as_array().unwrap().len(), 1);
    assert_eq!(body["events"][0]["progress"], 2);
    // One post at a time.
    posts.progress(progress("a", 3)).unwrap();
    assert_eq!(posts.next_tick(), None);
    posts.answered(at(900), accepted(0));
    assert_eq!(posts.next_tick(), Some(at(500)));
    assert!(posts.next_post(at(900)).is_some());
}

#[test]
fn durable_events_are_posted_at_once_in_their_order() {
    let mut posts = posts();
    posts.progress(progress("a", 99)).unwrap();
    let ticket = posts.durable(&stage("a")).unwrap();
    posts.progress(progress("b", 1)).unwrap();
    let body = posts.next_post(at(1)).unwrap();
    // The progress of the finished stage is superseded.
    assert_eq!(types(&body), ["stage_complete", "progress_update"]);
    posts.answered(at(2), accepted(1));
    let outcomes = posts.take_outcomes();
    assert!(matches!(&outcomes[..], [(it, Ok(()))] if *it == ticket));
    let second = posts.durable(&complete()).unwrap();
    let body = posts.next_post(at(3)).unwrap();
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["after_seq"], 1);
    posts.answered(
        at(4),
        Ok(Accepted {
            seq: 2,
            status: JobStatus::Completed,
            cancel_requested: false,
        }),
    );
    assert!(matches!(&posts.take_outcomes()[..], [(it, Ok(()))] if *it == second));
    assert!(matches!(posts.lease(), Lease::Ended));
    assert_eq!(posts.next_tick(), None, "nothing follows the end");
}

#[test]
fn latest_checkpoint_wins_and_is_dropped_with_its_stage() {
    let mut posts = posts();
    let state = RawJson::of(&1).unwrap();
    let first = posts.checkpoint("a", &state).unwrap();
    let second = posts.checkpoint("a", &RawJson::of(&2).unwrap()).unwrap();
    assert!(matches!(&posts.take_outcomes()[..], [(it, Ok(()))] if *it == first));
    let body = posts.next_post(at(0)).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body["events"],
        json!([{ "type": "checkpoint", "stage": "a", "number": 2, "state": 2 }])
    );
    posts.answered(at(1), accepted(0));
    assert!(matches!(&posts.take_outcomes()[..], [(it, Ok(()))] if *it == second));
    posts.checkpoint("a", &state).unwrap();
    posts.durable(&stage("a")).unwrap();
    assert_eq!(types(&posts.next_post(at(2)).unwrap()), ["stage_complete"]);
}

#[test]
fn silence_is_filled_by_heartbeats() {
    let mut posts = posts();
    assert_eq!(posts.next_tick(), Some(HEARTBEAT));
    let body = posts.next_post(HEARTBEAT).unwrap();
    assert!(types(&body).is_empty());
    posts.answered(HEARTBEAT, accepted(0));
    assert_eq!(posts.next_tick(), Some(2 * HEARTBEAT));
}

#[test]
fn lost_answer_is_followed_by_the_same_body() {
    let mut posts = posts();
    posts.durable(&stage("a")).unwrap();
    let body = posts.next_post(at(0)).unwrap();
    let unreachable = || Error::Unreachable {
        url: String::new(),
        cause: String::new(),
    };
    for (number, error) in [
        unreachable(),
        rejected(503, "conflict_retry"),
        rejected(500, "internal"),
        rejected(429, ""),
        Error::UnexpectedResponse {
            url: String::new(),
            cause: String::new(),
        },
    ]
    .into_iter()
    .enumerate()
    {
        posts.answered(at(0), Err(error));
        let retry = posts.next_tick().unwrap();
        assert!(retry <= Backoff::REQUEST.wait(u32::try_from(number).unwrap() + 1, 1.0));
        posts.durable(&stage("b")).unwrap();
        assert_eq!(
            posts.next_post(retry),
            Some(body.clone()),
            "attempt {number}"
        );
        assert_eq!(posts.next_tick(), None, "an answer is awaited");
    }
    posts.answered(at(0), accepted(1));
    assert_eq!(types(&posts.next_post(at(60_000)).unwrap()).len(), 5);
}

#[test]
fn posts_have_at_most_ten_events() {
    let mut posts = posts();
    for number in 0..12 {
        posts.durable(&stage(&number.to_string())).unwrap();
    }
    assert_eq!(types(&posts.next_post(at(0)).unwrap()).len(), 10);
    posts.answered(at(0), accepted(10));
    assert_eq!(types(&posts.next_post(at(0)).unwrap()).len(), 2);
}

#[test]
fn rejected_event_is_found_by_posting_one_by_one() {
    let mut posts = posts();
    posts.durable(&stage("a")).unwrap();
    let bad = posts.durable(&stage("bad")).unwrap();
    let last = posts.durable(&stage("c")).unwrap();
    posts.next_post(at(0)).unwrap();
    posts.answered(at(0), Err(rejected(400, "invalid_body")));
    assert!(posts.take_outcomes().is_empty());
    assert_eq!(types(&posts.next_post(at(1)).unwrap()).len(), 1);
    posts.answered(at(1), accepted(1));
    posts.next_post(at(2)).unwrap();
    posts.answered(at(2), Err(rejected(413, "body_too_large")));
    let outcomes = posts.take_outcomes();
    assert!(outcomes[0].1.is_ok());
    assert!(matches!(&outcomes[1], (it, Err(_)) if *it == bad));
    posts.next_post(at(3)).unwrap();
    posts.answered(at(3), accepted(2));
    assert!(matches!(&posts.take_outcomes()[..], [(it, Ok(()))] if *it == last));
    assert!(matches!(posts.lease(), Lease::Held));
}

#[test]
fn oversized_body_refused_by_the_gateway_is_a_rejection() {
    let mut posts = posts();
    posts.durable(&stage("a")).unwrap();
    posts.next_post(at(0)).unwrap();
    posts.answered(at(0), Err(Rejection::read(413, b"", None).into()));
    assert!(matches!(&posts.take_outcomes()[..], [(_, Err(_))]));
    assert!(matches!(posts.lease(), Lease::Held));
}

#[test]
fn lost_lease_fails_what_waits_and_what_follows() {
    for code in ["lease_lost", "seq_conflict", "forbidden", "not_external"] {
        let mut posts = posts();
        posts.durable(&stage("a")).unwrap();
        posts.next_post(at(0)).unwrap();
        posts.checkpoint("b", &RawJson::null()).unwrap();
        posts.answered(at(0), Err(rejected(409, code)));
        posts.durable(&stage("b")).unwrap();
        posts.progress(progress("b", 1)).unwrap();
        let outcomes = posts.take_outcomes();
        assert_eq!(outcomes.len(), 3);
        assert!(
            outcomes
                .iter()
                .all(|(_, it)| it.as_ref().is_err_and(|it| it.code() == Some(code)))
        );
        assert!(matches!(posts.lease(), Lease::Lost(_)));
        assert_eq!(posts.next_post(at(99_999)), None);
    }
}

#[test]
fn job_that_has_ended_elsewhere_ends_the_posts() {
    let mut posts = posts();
    posts.next_post(HEARTBEAT).unwrap();
    posts.answered(HEARTBEAT, Err(rejected(409, "job_already_finished")));
    assert!(matches!(posts.lease(), Lease::Ended));
    let failure = WorkerEvent::JobFailed(WorkerFailure {
        error: stagecast_contract::messages::JobError {
            code: "a".to_owned(),
            message: String::new(),
        },
        stage: None,
    });
    posts.durable(&failure).unwrap();
    assert!(matches!(&posts.take_outcomes()[..], [(_, Ok(()))]));
    assert!(posts.is_idle());
}

#[test]
fn cancellation_is_remembered() {
    let mut posts = posts();
    posts.next_post(HEARTBEAT).unwrap();
    let answer = Accepted {
        seq: 0,
        status: JobStatus::Running,
        cancel_requested: true,
    };
    posts.answered(HEARTBEAT, Ok(answer));
    assert!(posts.cancel_requested());
    assert!(Posts::new(1, 0, true, 0, Duration::ZERO).cancel_requested());
    // An answer without a post changes nothing.
    posts.answered(HEARTBEAT, Err(rejected(409, "lease_lost")));
    assert!(matches!(posts.lease(), Lease::Held));
}

/// The service as it treats posts: idempotent by `after_seq`, one log.
#[derive(Default)]
struct Service {
    log: Vec<Value>,
    percents: Vec<(String, u64)>,
}

impl Service {
    fn post(&mut self, body: &Bytes) -> u64 {
        let body: Value = serde_json::from_slice(body).unwrap();
        let after = usize::try_from(body["after_seq"].as_u64().unwrap()).unwrap();
        assert!(after <= self.log.len());
        let mut seq = after;
        for event in body["events"].as_array().unwrap() {
            match event["type"].as_str().unwrap() {
                "progress_update" => {
                    let stage = event["stage"].as_str().unwrap().to_owned();
                    self.percents
                        .push((stage, event["progress"].as_u64().unwrap()));
                }
                "checkpoint" => {}
                _ => {
                    if let Some(logged) = self.log.get(seq) {
                        assert_eq!(logged, event, "a repeated event is the same");
                    } else {
                        self.log.push(event.clone());
                    }
                    seq += 1;
                }
            }
        }
        self.log.len() as u64
    }
}

#[test]
fn random_schedules_log_each_event_once_and_in_order() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut posts, mut service) = (posts(), Service::default());
        let names: Vec<_> = (0..random.usize(1..15)).map(|it| it.to_string()).collect();
        let mut events: VecDeque<_> = names.iter().map(|name| stage(name)).collect();
        events.push_back(complete());
        let (mut now, mut pending, mut lost) = (Duration::ZERO, None, 0);
        while !matches!(posts.lease(), Lease::Ended) {
            match random.u8(0..5) {
                0 => {
                    if let Some(event) = events.pop_front() {
                        posts.durable(&event).unwrap();
                    }
                }
                1 => posts.progress(progress("s", random.u8(0..=100))).unwrap(),
                2 => drop(posts.checkpoint("s", &RawJson::null()).unwrap()),
                _ => now += Duration::from_millis(random.u64(0..2_000)),
            }
            if let Some(body) = posts.next_post(now) {
                assert!(pending.is_none(), "seed {seed}: two posts at once");
                pending = Some(body);
            }
            if random.bool()
                && let Some(body) = pending.take()
            {
                // Lost before or after the service has applied it, at most half of the time.
                let is_lost = lost < 50 && random.bool();
                if !is_lost || random.bool() {
                    let seq = service.post(&body);
                    if !is_lost {
                        let has_ended = service.log.len() == names.len() + 1;
                        let answer = Accepted {
                            seq,
                            status: if has_ended {
                                JobStatus::Completed
                            } else {
                                JobStatus::Running
                            },
                            cancel_requested: false,
                        };
                        posts.answered(now, Ok(answer));
                        continue;
                    }
                }
                lost += 1;
                posts.answered(now, Err(rejected(503, "")));
            }
        }
        let stages: Vec<_> = service
            .log
            .iter()
            .filter_map(|it| it["stage"].as_str())
            .collect();
        assert_eq!(stages, names, "seed {seed}");
        assert_eq!(service.log.len(), names.len() + 1, "seed {seed}");
        let outcomes = posts.take_outcomes();
        assert!(outcomes.iter().all(|(_, it)| it.is_ok()), "seed {seed}");
    }
}
