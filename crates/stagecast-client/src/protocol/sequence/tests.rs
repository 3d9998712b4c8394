use serde_json::json;

use super::*;

fn progress(seq: u64, stage: &str, attempt: u32, percent: u8, second: u8) -> JobMessage {
    let message = json!({
        "job_id": "job_20240115_a", "stage": stage, "progress": percent, "message": "m",
        "estimated_seconds_remaining": null, "timestamp": format!("2024-01-15T10:30:{second:02}Z"),
        "seq": seq, "correlation_id": "c", "overall_progress": percent, "attempt": attempt,
    });
    JobMessage::Progress(serde_json::from_value(message).unwrap())
}

fn stage(seq: u64) -> JobMessage {
    let message = json!({
        "job_id": "job_20240115_a", "stage": format!("stage_{seq}"), "results": seq,
        "timestamp": "2024-01-15T10:30:15Z", "seq": seq, "correlation_id": "c",
    });
    JobMessage::StageComplete(serde_json::from_str(&message.to_string()).unwrap())
}

fn complete(seq: u64) -> JobMessage {
    let message = json!({
        "job_id": "job_20240115_a", "results": null, "timestamp": "2024-01-15T10:30:15Z", "seq": seq,
        "correlation_id": "c",
    });
    JobMessage::JobComplete(serde_json::from_str(&message.to_string()).unwrap())
}

fn snapshot(status: &str, seq: u64, percent: u8) -> JobSnapshot {
    let snapshot = json!({
        "job_id": "job_20240115_a", "status": status, "stage": "s", "progress": percent,
        "overall_progress": percent, "message": "m", "estimated_seconds_remaining": null, "seq": seq,
        "created_at": "2024-01-15T10:30:15Z", "updated_at": "2024-01-15T10:30:15Z", "correlation_id": "c",
    });
    serde_json::from_str(&snapshot.to_string()).unwrap()
}

#[test]
fn durable_messages_are_released_once_and_in_order() {
    let mut sequence = Sequence::after(0);
    assert!(sequence.accept(stage(2)).is_empty());
    assert!(sequence.has_gap());
    assert_eq!(sequence.accept(stage(1)), [stage(1), stage(2)]);
    assert!(!sequence.has_gap());
    assert!(sequence.accept(stage(1)).is_empty());
    assert!(sequence.accept(stage(2)).is_empty());
    assert_eq!(sequence.accept(complete(3)), [complete(3)]);
    assert!(sequence.has_ended());
    assert!(
        sequence.accept(stage(4)).is_empty(),
        "nothing follows the end"
    );
    assert!(
        sequence
            .accept_snapshot(snapshot("completed", 3, 100), true)
            .is_empty()
    );
}

#[test]
fn progress_waits_for_the_durable_messages_before_it() {
    let mut sequence = Sequence::after(0);
    let later = progress(1, "b", 1, 10, 20);
    assert!(sequence.accept(later.clone()).is_empty());
    assert!(
        sequence.has_gap(),
        "the progress names a message that is missing"
    );
    assert_eq!(sequence.accept(stage(1)), [stage(1), later]);
    assert!(
        sequence.accept(progress(0, "a", 1, 100, 30)).is_empty(),
        "older than the stage"
    );
}

#[test]
fn progress_does_not_go_back_within_an_attempt() {
    let mut sequence = Sequence::after(0);
    let first = progress(0, "a", 1, 50, 20);
    assert_eq!(sequence.accept(first.clone()), std::slice::from_ref(&first));
    for old in [
        first,
        progress(0, "a", 1, 40, 21),
        progress(0, "a", 1, 60, 19),
    ] {
        assert!(sequence.accept(old).is_empty());
    }
    let next = progress(0, "a", 2, 5, 21);
    assert_eq!(sequence.accept(next.clone()), [next]);
    assert!(
        sequence.accept(progress(0, "a", 1, 70, 22)).is_empty(),
        "of the earlier attempt"
    );
    let same_second = progress(0, "a", 2, 6, 21);
    assert_eq!(sequence.accept(same_second.clone()), [same_second]);
    let other_stage = progress(0, "b", 1, 0, 21);
    assert_eq!(sequence.accept(other_stage.clone()), [other_stage]);
    assert!(sequence.accept(progress(0, "a", 2, 99, 20)).is_empty());
}

#[test]
fn snapshot_stands_for_progress_and_for_the_end() {
    let mut sequence = Sequence::after(0);
    assert!(
        sequence
            .accept_snapshot(snapshot("queued", 0, 0), true)
            .is_empty()
    );
    let released = sequence.accept_snapshot(snapshot("running", 0, 30), true);
    assert!(matches!(&released[..], [JobMessage::Progress(it)] if it.progress == 30));
    // The log has the end.
    assert!(
        sequence
            .accept_snapshot(snapshot("completed", 1, 100), true)
            .is_empty()
    );
    assert!(sequence.has_gap());
    assert_eq!(sequence.accept(complete(1)), [complete(1)]);
    // A client that has the whole log.
    let mut sequence = Sequence::after(1);
    let released = sequence.accept_snapshot(snapshot("completed", 1, 100), true);
    assert!(matches!(&released[..], [JobMessage::JobComplete(_)]));
    assert!(sequence.has_ended());
}

#[test]
fn expired_log_is_replaced_by_the_snapshot() {
    let mut sequence = Sequence::after(0);
    assert!(sequence.accept(stage(2)).is_empty());
    assert!(sequence.accept(stage(5)).is_empty());
    let released = sequence.accept_snapshot(snapshot("running", 4, 30), false);
    assert_eq!(released[..2], [stage(2), stage(5)]);
    assert_eq!(
        (released.len(), sequence.seq()),
        (2, 5),
        "the snapshot is older than stage 5"
    );
    let released = sequence.accept_snapshot(snapshot("failed", 7, 30), false);
    assert!(matches!(&released[..], [JobMessage::JobFailed(_)]));
    assert_eq!(sequence.seq(), 7);
    let mut sequence = Sequence::after(0);
    let released = sequence.accept_snapshot(snapshot("cancelled", 0, 0), false);
    assert!(matches!(&released[..], [JobMessage::JobCancelled(_)]));
}

#[test]
fn start_beyond_the_log_continues_after_the_snapshot() {
    let mut sequence = Sequence::after(9);
    let released = sequence.accept_snapshot(snapshot("running", 1, 40), false);
    assert!(matches!(&released[..], [JobMessage::Progress(it)] if it.progress == 40));
    assert_eq!((sequence.seq(), sequence.has_gap()), (1, false));
    assert_eq!(sequence.accept(stage(2)), [stage(2)]);
    // An old snapshot does not repeat what was released.
    let _ = sequence.accept_snapshot(snapshot("running", 1, 40), false);
    assert!(sequence.accept(stage(2)).is_empty());
}

/// Any order, loss and repetition: each durable message once and in order, and all of them once the rest was
/// replayed.
#[test]
fn random_schedules_release_the_log_once_and_in_order() {
    for seed in 0..2_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let last = random.u64(1..8);
        let log = |seq| {
            if seq == last {
                complete(seq)
            } else {
                stage(seq)
            }
        };
        let mut sequence = Sequence::after(0);
        let mut released = Vec::new();
        for _ in 0..random.usize(0..30) {
            let messages = match random.u8(0..4) {
                0 => {
                    let seq = random.u64(0..last);
                    let second = random.u8(10..20);
                    sequence.accept(progress(seq, "s", 1, random.u8(0..=100), second))
                }
                1 => {
                    let seq = random.u64(0..=last);
                    let status = if seq == last { "completed" } else { "running" };
                    sequence.accept_snapshot(snapshot(status, seq, random.u8(0..=100)), true)
                }
                _ => sequence.accept(log(random.u64(1..=last))),
            };
            released.extend(messages);
        }
        for seq in sequence.seq() + 1..=last {
            released.extend(sequence.accept(log(seq)));
        }
        let durable: Vec<_> = released
            .iter()
            .filter(|it| it.is_durable())
            .cloned()
            .collect();
        assert_eq!(
            durable,
            (1..=last).map(log).collect::<Vec<_>>(),
            "seed {seed}"
        );
        assert!(sequence.has_ended(), "seed {seed}");
        let mut latest = (0, 0);
        for message in &released {
            let seq = message.seq();
            assert!(seq >= latest.0, "seed {seed}");
            if let JobMessage::Progress(progress) = message {
                let is_back = seq == latest.0 && progress.progress < latest.1;
                assert!(!is_back, "seed {seed}");
                latest = (seq, progress.progress);
            } else {
                latest = (seq, 0);
            }
        }
    }
}
