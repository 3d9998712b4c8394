use serde_json::{Value, json};

use super::*;

fn settings(has_websocket: bool, after_seq: u64, seed: u64) -> WatchSettings {
    WatchSettings {
        job_id: "job_20240115_a".parse().unwrap(),
        access: WatchAccess::Key(AccessKey::from_client("key")),
        after_seq,
        has_websocket,
        seed,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn actions(watcher: &mut Watcher) -> Vec<Action> {
    std::iter::from_fn(|| watcher.next_action()).collect()
}

fn snapshot(status: &str, seq: u64) -> Value {
    json!({
        "job_id": "job_20240115_a", "status": status, "stage": null, "progress": 0, "overall_progress": 0,
        "message": "m", "estimated_seconds_remaining": null, "seq": seq, "created_at": "2024-01-15T10:30:15Z",
        "updated_at": "2024-01-15T10:30:15Z", "correlation_id": "c",
    })
}

fn subscribed(request_id: &str, status: &str, seq: u64, recovered: bool) -> String {
    json!({
        "type": "subscribed", "job_id": "job_20240115_a", "seq": seq, "recovered": recovered,
        "status": snapshot(status, seq), "request_id": request_id, "correlation_id": "conn",
        "timestamp": "2024-01-15T10:30:15Z",
    })
    .to_string()
}

fn durable(seq: u64, last: u64) -> String {
    let kind = if seq == last {
        "job_complete"
    } else {
        "stage_complete"
    };
    json!({
        "type": kind, "job_id": "job_20240115_a", "stage": format!("s{seq}"), "results": seq,
        "timestamp": "2024-01-15T10:30:15Z", "seq": seq, "correlation_id": "c",
    })
    .to_string()
}

fn page(after: u64, to: u64, last: u64, more: bool) -> EventsPage {
    let status = if to == last && !more {
        "completed"
    } else {
        "running"
    };
    let events: Vec<Value> = (after + 1..=to)
        .map(|seq| serde_json::from_str(&durable(seq, last)).unwrap())
        .collect();
    let page = json!({
        "job_id": "job_20240115_a", "recovered": true, "events": events, "next_after_seq": to, "more": more,
        "retry_after": if more { 0 } else { 3 }, "snapshot": snapshot(status, to),
    });
    serde_json::from_str(&page.to_string()).unwrap()
}

fn error(code: &str, request_id: &str) -> String {
    json!({
        "type": "error", "code": code, "message": "m", "request_id": request_id,
        "timestamp": "2024-01-15T10:30:15Z", "details": { "retry_after_seconds": 20 },
    })
    .to_string()
}

/// The connection and the `request_id` of the only frame among the actions.
fn sent(actions: &[Action]) -> (ConnectionId, Value) {
    let mut frames = actions.iter().filter_map(|action| match action {
        Action::Send(id, frame) => Some((*id, serde_json::from_str(frame).unwrap())),
        _ => None,
    });
    let frame = frames.next().expect("a frame");
    assert!(frames.next().is_none());
    frame
}

fn connected(actions: &[Action]) -> ConnectionId {
    let mut ids = actions.iter().filter_map(|action| match action {
        Action::Connect(id) => Some(*id),
        _ => None,
    });
    ids.next().expect("a connection")
}

fn polls(actions: &[Action]) -> Option<u64> {
    actions.iter().find_map(|action| match action {
        Action::Poll { after_seq } => Some(*after_seq),
        _ => None,
    })
}

/// A watch with a live connection.
fn live(status: &str) -> (Watcher, ConnectionId) {
    let mut watcher = Watcher::start(settings(true, 0, 1), seconds(0));
    let id = connected(&actions(&mut watcher));
    watcher.opened(seconds(1), id);
    let (_, frame) = sent(&actions(&mut watcher));
    assert_eq!(frame["type"], "subscribe");
    assert_eq!(frame.get("after_seq"), None);
    let request_id = frame["request_id"].as_str().unwrap();
    watcher.received(seconds(1), id, &subscribed(request_id, status, 0, true));
    assert!(matches!(&actions(&mut watcher)[0], Action::Snapshot(_)));
    (watcher, id)
}

/// Calls `tick` at each of its times up to `until`.
fn run(watcher: &mut Watcher, until: Duration) -> Vec<Action> {
    let mut all = Vec::new();
    while let Some(at) = watcher.next_tick().filter(|at| *at <= until) {
        watcher.tick(at);
        all.extend(actions(watcher));
    }
    all
}

#[test]
fn messages_of_the_job_are_delivered_until_its_end() {
    let (mut watcher, id) = live("running");
    watcher.received(seconds(2), id, &durable(1, 2));
    assert!(matches!(&actions(&mut watcher)[..], [Action::Deliver(_)]));
    let other = durable(2, 2).replace("job_20240115_a", "job_20240115_b");
    watcher.received(seconds(2), id, &other);
    watcher.received(seconds(2), id, r#"{"type":"later_version"}"#);
    assert!(actions(&mut watcher).is_empty());
    watcher.received(seconds(3), id, &durable(2, 2));
    let actions = actions(&mut watcher);
    assert!(
        matches!(&actions[..], [Action::Deliver(_), Action::Close(it), Action::End(Ok(()))] if *it == id)
    );
    assert_eq!(watcher.next_tick(), None);
    watcher.closed(seconds(4), id);
    watcher.tick(seconds(9));
    assert!(watcher.next_action().is_none());
}

#[test]
fn rejected_watch_ends_with_the_error() {
    for code in PERMANENT {
        let mut watcher = Watcher::start(settings(true, 0, 1), seconds(0));
        let id = connected(&actions(&mut watcher));
        watcher.opened(seconds(1), id);
        let (_, frame) = sent(&actions(&mut watcher));
        let reply = error(code, frame["request_id"].as_str().unwrap());
        watcher.received(seconds(2), id, &reply);
        let actions = actions(&mut watcher);
        let Some(Action::End(Err(error))) = actions.last() else {
            panic!("{actions:?}");
        };
        assert_eq!(error.code(), Some(code));
    }
}

#[test]
fn lost_connection_is_replaced_after_the_last_message() {
    let (mut watcher, id) = live("running");
    watcher.received(seconds(2), id, &durable(1, 5));
    actions(&mut watcher);
    watcher.closed(seconds(10), id);
    let actions_after = run(&mut watcher, seconds(11));
    let next = connected(&actions_after);
    assert_ne!(next, id);
    watcher.opened(seconds(11), next);
    let (_, frame) = sent(&actions(&mut watcher));
    assert_eq!(frame["after_seq"], 1);
    // The lost one is forgotten.
    watcher.received(seconds(11), id, &durable(2, 5));
    watcher.opened(seconds(11), id);
    watcher.closed(seconds(11), id);
    assert!(actions(&mut watcher).is_empty());
}

#[test]
fn missing_message_is_requested_again_then_over_another_connection() {
    let (mut watcher, id) = live("running");
    watcher.received(seconds(2), id, &durable(2, 9));
    assert!(actions(&mut watcher).is_empty());
    let mut kinds = Vec::new();
    let mut now = seconds(2);
    while kinds.len() < 3 {
        now = watcher.next_tick().unwrap();
        watcher.tick(now);
        for action in actions(&mut watcher) {
            match action {
                Action::Send(_, frame) => {
                    let frame: Value = serde_json::from_str(&frame).unwrap();
                    kinds.push(frame["type"].as_str().unwrap().to_owned());
                    let request_id = frame["request_id"].as_str().unwrap();
                    watcher.received(now, id, &subscribed(request_id, "running", 2, true));
                    actions(&mut watcher);
                }
                Action::Connect(_) => kinds.push("connect".to_owned()),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(kinds, ["subscribe", "subscribe", "connect"]);
    watcher.received(now, id, &durable(1, 9));
    assert_eq!(watcher.seq(), 2);
}

#[test]
fn replay_limit_delays_the_request_for_missing_messages() {
    let (mut watcher, id) = live("running");
    watcher.received(seconds(2), id, &durable(2, 9));
    watcher.received(seconds(3), id, &error("replay_limited", "client_9"));
    assert!(matches!(&actions(&mut watcher)[..], [Action::Warn(_)]));
    assert!(run(&mut watcher, seconds(22)).is_empty());
    let (_, frame) = sent(&run(&mut watcher, seconds(23)));
    assert_eq!(frame["type"], "subscribe");
}

#[test]
fn silence_is_probed_and_a_dead_connection_is_replaced() {
    for (status, ping_after) in [("running", 45), ("queued", 300)] {
        let (mut watcher, id) = live(status);
        let at = seconds(1 + ping_after);
        assert!(
            run(&mut watcher, seconds(ping_after)).is_empty(),
            "{status}"
        );
        let (_, frame) = sent(&run(&mut watcher, at));
        assert_eq!(frame["type"], "ping");
        let pong = json!({ "type": "pong", "request_id": frame["request_id"], "timestamp": "2024-01-15T10:30:15Z" });
        watcher.received(at, id, &pong.to_string());
        let (_, _) = sent(&run(&mut watcher, at + seconds(ping_after)));
        let actions = run(&mut watcher, at + seconds(ping_after + 11));
        assert!(
            matches!(&actions[0], Action::Close(it) if *it == id),
            "{actions:?}"
        );
        assert_ne!(connected(&actions), id);
    }
}

#[test]
fn connection_is_replaced_before_two_hours_without_a_gap() {
    let (mut watcher, id) = live("queued");
    let mut now;
    let next = loop {
        now = watcher.next_tick().expect("a tick");
        watcher.tick(now);
        let actions = actions(&mut watcher);
        if let Some(Action::Send(_, frame)) = actions.first() {
            let frame: Value = serde_json::from_str(frame).unwrap();
            let pong = json!({ "type": "pong", "request_id": frame["request_id"], "timestamp": "2024-01-15T10:30:15Z" });
            watcher.received(now, id, &pong.to_string());
        } else if !actions.is_empty() {
            break connected(&actions);
        }
    };
    assert!(
        (100 * 60..=110 * 60 + 1).contains(&now.as_secs()),
        "{now:?}"
    );
    watcher.opened(now, next);
    let (_, frame) = sent(&actions(&mut watcher));
    // The old connection delivers until the new one is subscribed.
    watcher.received(now, id, &durable(1, 9));
    assert!(matches!(&actions(&mut watcher)[..], [Action::Deliver(_)]));
    let reply = subscribed(frame["request_id"].as_str().unwrap(), "running", 1, true);
    watcher.received(now, next, &reply);
    assert!(matches!(&actions(&mut watcher)[0], Action::Close(it) if *it == id));
}

#[test]
fn failed_renewal_leaves_the_connection_in_use() {
    let (mut watcher, id) = live("queued");
    let renewal = run_with_pongs(&mut watcher, id, seconds(111 * 60));
    watcher.closed(seconds(111 * 60), renewal);
    watcher.received(seconds(111 * 60), id, &durable(1, 9));
    assert!(matches!(&actions(&mut watcher)[..], [Action::Deliver(_)]));
    let actions = run(&mut watcher, seconds(111 * 60 + 1));
    assert_ne!(connected(&actions), renewal);
}

/// Answers pings until a connection is opened.
fn run_with_pongs(watcher: &mut Watcher, id: ConnectionId, until: Duration) -> ConnectionId {
    loop {
        let now = watcher
            .next_tick()
            .filter(|at| *at <= until)
            .expect("a tick");
        watcher.tick(now);
        for action in actions(watcher) {
            match action {
                Action::Connect(id) => return id,
                Action::Send(_, frame) => {
                    let frame: Value = serde_json::from_str(&frame).unwrap();
                    let pong = json!({ "type": "pong", "request_id": frame["request_id"], "timestamp": "2024-01-15T10:30:15Z" });
                    watcher.received(now, id, &pong.to_string());
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn blocked_websocket_is_replaced_by_http_until_it_works() {
    let mut watcher = Watcher::start(settings(true, 0, 1), seconds(0));
    let id = connected(&actions(&mut watcher));
    // Neither open nor rejected.
    assert_eq!(polls(&run(&mut watcher, seconds(5))), Some(0));
    watcher.polled(seconds(6), page(0, 2, 9, false));
    let delivered = actions(&mut watcher);
    assert_eq!(
        delivered
            .iter()
            .filter(|it| matches!(it, Action::Deliver(_)))
            .count(),
        2
    );
    assert_eq!(polls(&run(&mut watcher, seconds(10))), Some(2));
    // An answer that arrives after the connection has taken over is ignored.
    let again = connected(&run(&mut watcher, seconds(14)));
    assert_ne!(again, id);
    watcher.opened(seconds(14), again);
    let (_, frame) = sent(&actions(&mut watcher));
    let reply = subscribed(frame["request_id"].as_str().unwrap(), "running", 2, true);
    watcher.received(seconds(14), again, &reply);
    assert!(
        actions(&mut watcher)
            .iter()
            .any(|it| matches!(it, Action::AbortPoll))
    );
    watcher.polled(seconds(15), page(0, 9, 9, false));
    watcher.poll_failed(seconds(15), Rejection::read(403, b"", None).into());
    assert!(actions(&mut watcher).is_empty());
}

#[test]
fn two_rejected_connections_lead_to_http_at_once() {
    let mut watcher = Watcher::start(settings(true, 0, 1), seconds(0));
    let id = connected(&actions(&mut watcher));
    watcher.closed(seconds(0), id);
    let id = connected(&run(&mut watcher, seconds(1)));
    watcher.closed(seconds(1), id);
    assert_eq!(polls(&actions(&mut watcher)), Some(0));
}

#[test]
fn polling_follows_the_interval_of_the_service() {
    let mut watcher = Watcher::start(settings(false, 3, 1), seconds(0));
    assert_eq!(polls(&actions(&mut watcher)), Some(3));
    watcher.polled(seconds(0), page(3, 5, 9, true));
    assert!(
        watcher.next_tick() <= Some(seconds(0)),
        "more events follow"
    );
    assert_eq!(polls(&run(&mut watcher, seconds(0))), Some(5));
    watcher.polled(seconds(0), page(5, 6, 9, false));
    actions(&mut watcher);
    assert_eq!(
        polls(&run(&mut watcher, Duration::from_millis(2_999))),
        None
    );
    assert_eq!(
        polls(&run(&mut watcher, Duration::from_millis(3_300))),
        Some(6)
    );
    // An empty page that promises more does not lead to a loop without pauses.
    watcher.polled(seconds(4), page(6, 6, 9, true));
    actions(&mut watcher);
    assert!(watcher.next_tick() >= Some(seconds(5)));
    watcher.polled(seconds(6), page(6, 9, 9, false));
    assert!(matches!(
        actions(&mut watcher).last(),
        Some(Action::End(Ok(())))
    ));
}

#[test]
fn failed_polls_are_repeated_unless_the_service_rejects_the_watch() {
    let unreachable = || Error::Unreachable {
        url: String::new(),
        cause: String::new(),
    };
    let mut watcher = Watcher::start(settings(false, 0, 1), seconds(0));
    actions(&mut watcher);
    watcher.poll_failed(seconds(1), unreachable());
    assert!(matches!(&actions(&mut watcher)[..], [Action::Warn(_)]));
    assert_eq!(polls(&run(&mut watcher, seconds(2))), Some(0));
    // Without an answer, the request is repeated.
    assert_eq!(polls(&run(&mut watcher, seconds(13))), Some(0));
    let forbidden = br#"{"error":{"code":"forbidden","message":"m"}}"#;
    watcher.poll_failed(seconds(13), Rejection::read(403, forbidden, None).into());
    assert!(matches!(
        actions(&mut watcher).last(),
        Some(Action::End(Err(_)))
    ));
    let mut watcher = Watcher::start(settings(false, 0, 1), seconds(0));
    watcher.poll_failed(seconds(1), Rejection::read(404, b"", None).into());
    assert!(matches!(
        actions(&mut watcher).last(),
        Some(Action::End(Err(_)))
    ));
}

#[test]
fn reply_of_the_gateway_replaces_the_connection() {
    for frame in [
        r#"{"message":"Internal server error","requestId":"r"}"#,
        "[",
        "7",
    ] {
        let mut watcher = Watcher::start(settings(true, 0, 1), seconds(0));
        let id = connected(&actions(&mut watcher));
        watcher.opened(seconds(1), id);
        actions(&mut watcher);
        watcher.received(seconds(1), id, frame);
        let actions = actions(&mut watcher);
        assert!(matches!(&actions[..], [Action::Warn(_), Action::Close(it)] if *it == id));
    }
    // Not while nothing is awaited.
    let (mut watcher, id) = live("running");
    watcher.received(seconds(2), id, r#"{"message":"m"}"#);
    assert!(matches!(&actions(&mut watcher)[..], [Action::Warn(_)]));
}

#[test]
fn refused_subscription_is_retried_after_the_wait_of_the_service() {
    let mut watcher = Watcher::start(settings(true, 0, 1), seconds(0));
    let id = connected(&actions(&mut watcher));
    watcher.opened(seconds(1), id);
    actions(&mut watcher);
    watcher.received(seconds(1), id, &error("too_many_subscriptions", "client_1"));
    assert!(matches!(
        &actions(&mut watcher)[..],
        [Action::Warn(_), Action::Close(_)]
    ));
    let until_then = run(&mut watcher, seconds(20));
    assert!(!until_then.iter().any(|it| matches!(it, Action::Connect(_))));
    connected(&run(&mut watcher, seconds(21)));
}

#[test]
fn expired_log_is_replaced_by_the_snapshot() {
    let mut watcher = Watcher::start(settings(true, 0, 1), seconds(0));
    let id = connected(&actions(&mut watcher));
    watcher.opened(seconds(1), id);
    let (_, frame) = sent(&actions(&mut watcher));
    let reply = subscribed(frame["request_id"].as_str().unwrap(), "completed", 4, false);
    watcher.received(seconds(1), id, &reply);
    let actions = actions(&mut watcher);
    assert!(
        matches!(&actions[1], Action::Deliver(message) if message.is_end()),
        "{actions:?}"
    );
    assert!(matches!(actions.last(), Some(Action::End(Ok(())))));
}

/// A job whose log grows, connections that break, lose and repeat messages, and polls that fail: the watch ends
/// with the whole log, once and in order.
/// Settings of a watch by the access key, or by tokens.
fn faulty_settings(seed: u64, random: &mut fastrand::Rng) -> WatchSettings {
    let by_key = settings(random.u8(0..4) > 0, 0, seed);
    if seed.is_multiple_of(2) {
        return by_key;
    }
    WatchSettings {
        access: WatchAccess::Tokens { is_renewable: true },
        ..by_key
    }
}

fn faulty_token(is_fault: bool) -> Result<String, Error> {
    let cause = "down".to_owned();
    let error = Error::NoToken { cause };
    if is_fault {
        Err(error)
    } else {
        Ok("token".to_owned())
    }
}

#[test]
fn random_faults_deliver_the_whole_log_once_and_in_order() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let last = random.u64(1..6);
        let mut watcher = Watcher::start(faulty_settings(seed, &mut random), seconds(0));
        let (mut now, mut logged) = (Duration::ZERO, 0);
        let mut open: Vec<ConnectionId> = Vec::new();
        let mut delivered = Vec::new();
        let mut faults = 60;
        let is_over = 'watch: loop {
            while let Some(action) = watcher.next_action() {
                let is_fault = faults > 0 && random.u8(0..4) == 0;
                faults -= u32::from(is_fault);
                match action {
                    Action::Connect(id) if is_fault => {
                        if random.bool() {
                            watcher.closed(now, id);
                        }
                    }
                    Action::Connect(id) => {
                        open.push(id);
                        watcher.opened(now, id);
                    }
                    Action::Authorize(id) => watcher.authorized(now, id, faulty_token(is_fault)),
                    Action::Send(id, _) if is_fault => {
                        open.retain(|it| *it != id);
                        watcher.closed(now, id);
                    }
                    Action::Send(id, frame) => {
                        let frame: Value = serde_json::from_str(&frame).unwrap();
                        let request_id = frame["request_id"].as_str().unwrap();
                        if frame["type"] == "ping" {
                            let pong = json!({ "type": "pong", "request_id": request_id, "timestamp": "2024-01-15T10:30:15Z" });
                            watcher.received(now, id, &pong.to_string());
                            continue;
                        }
                        let status = if logged == last {
                            "completed"
                        } else {
                            "running"
                        };
                        watcher.received(now, id, &subscribed(request_id, status, logged, true));
                        let after = frame["after_seq"].as_u64().unwrap_or(0);
                        for seq in after + 1..=logged {
                            let is_lost = faults > 0 && random.u8(0..5) == 0;
                            faults -= u32::from(is_lost);
                            if !is_lost {
                                watcher.received(now, id, &durable(seq, last));
                            }
                        }
                    }
                    Action::Close(id) => open.retain(|it| *it != id),
                    Action::Poll { .. } if is_fault => {
                        if random.bool() {
                            let error = Rejection::read(503, b"", None);
                            watcher.poll_failed(now, error.into());
                        }
                    }
                    Action::Poll { after_seq } => {
                        let to = random.u64(after_seq.min(logged)..=logged);
                        let mut page = page(after_seq, to, last, to < logged);
                        page.snapshot.seq = logged;
                        watcher.polled(now, page);
                    }
                    Action::Deliver(message) => delivered.push(*message),
                    Action::End(Ok(())) => break 'watch true,
                    Action::End(Err(error)) => panic!("seed {seed}: {error}"),
                    Action::AbortPoll | Action::Snapshot(_) | Action::Warn(_) => {}
                }
            }
            if now > seconds(24 * 3600) {
                break false;
            }
            if logged < last && random.u8(0..3) == 0 {
                logged += 1;
                for id in open.clone() {
                    match random.u8(0..4) {
                        0 if faults > 0 => faults -= 1,
                        1 => {
                            watcher.received(now, id, &durable(logged, last));
                            watcher.received(now, id, &durable(logged, last));
                        }
                        _ => watcher.received(now, id, &durable(logged, last)),
                    }
                }
            } else {
                let Some(at) = watcher.next_tick() else {
                    continue;
                };
                now = now.max(at);
                watcher.tick(now);
            }
        };
        assert!(is_over, "seed {seed}: not over after a day: {watcher:?}");
        let seqs: Vec<_> = delivered
            .iter()
            .filter(|it| it.is_durable())
            .map(JobMessage::seq)
            .collect();
        assert_eq!(seqs, (1..=last).collect::<Vec<_>>(), "seed {seed}");
    }
}

fn by_tokens(is_renewable: bool) -> (Watcher, ConnectionId) {
    let settings = WatchSettings {
        access: WatchAccess::Tokens { is_renewable },
        ..settings(true, 0, 1)
    };
    let mut watcher = Watcher::start(settings, seconds(0));
    let id = connected(&actions(&mut watcher));
    watcher.opened(seconds(1), id);
    assert!(matches!(&actions(&mut watcher)[..], [Action::Authorize(it)] if *it == id));
    watcher.authorized(seconds(1), id, Ok("token-1".to_owned()));
    (watcher, id)
}

/// `subscribed` of a subscription whose token is valid for five minutes.
fn subscribed_by_token(request_id: &Value, seq: u64) -> String {
    let text = subscribed(request_id.as_str().unwrap(), "running", seq, true);
    let mut reply: Value = serde_json::from_str(&text).unwrap();
    reply["token_expires_at"] = "2024-01-15T10:35:15Z".into();
    reply.to_string()
}

fn live_by_tokens(is_renewable: bool) -> (Watcher, ConnectionId) {
    let (mut watcher, id) = by_tokens(is_renewable);
    let (_, frame) = sent(&actions(&mut watcher));
    assert_eq!(
        (&frame["type"], &frame["token"]),
        (&json!("subscribe"), &json!("token-1"))
    );
    assert_eq!(frame.get("access_key"), None);
    watcher.received(
        seconds(1),
        id,
        &subscribed_by_token(&frame["request_id"], 0),
    );
    actions(&mut watcher);
    (watcher, id)
}

fn authenticated(request_id: &Value, subscriptions: u32) -> String {
    json!({
        "type": "authenticated", "owner": "user-7", "token_expires_at": "2024-01-15T10:35:15Z",
        "subscriptions": subscriptions, "request_id": request_id, "timestamp": "2024-01-15T10:30:15Z",
    })
    .to_string()
}

fn token_error(code: &str, details: &Value) -> String {
    json!({ "type": "error", "code": code, "message": "m", "request_id": "r", "details": details })
        .to_string()
}

/// Lets the time pass until the watch asks for a token, and answers its pings.
fn until_authorize(watcher: &mut Watcher, id: ConnectionId) -> Duration {
    loop {
        let at = watcher.next_tick().expect("the watch is not over");
        assert!(at < seconds(1000), "no token is asked for");
        watcher.tick(at);
        for action in actions(watcher) {
            match action {
                Action::Authorize(it) => {
                    assert_eq!(it, id);
                    return at;
                }
                Action::Send(_, frame) => {
                    let frame: Value = serde_json::from_str(&frame).unwrap();
                    let pong = json!({ "type": "pong", "request_id": frame["request_id"], "timestamp": "2024-01-15T10:30:15Z" });
                    watcher.received(at, id, &pong.to_string());
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn connection_authenticates_again_before_its_token_expires() {
    let (mut watcher, id) = live_by_tokens(true);
    let mut last = seconds(1);
    for number in 2..5 {
        let at = until_authorize(&mut watcher, id);
        assert_eq!(at, last + seconds(240));
        watcher.authorized(at, id, Ok(format!("token-{number}")));
        let (_, frame) = sent(&actions(&mut watcher));
        assert_eq!(frame["type"], "authenticate");
        assert_eq!(frame["token"], format!("token-{number}"));
        watcher.received(at, id, &authenticated(&frame["request_id"], 1));
        assert!(actions(&mut watcher).is_empty());
        last = at;
    }
}

#[test]
fn ended_subscription_is_opened_again_after_the_last_message() {
    let (mut watcher, id) = live_by_tokens(true);
    watcher.received(seconds(2), id, &durable(1, 9));
    actions(&mut watcher);
    watcher.received(seconds(3), id, &token_error("token_expired", &json!({})));
    assert!(matches!(&actions(&mut watcher)[..], [Action::Authorize(_)]));
    watcher.authorized(seconds(3), id, Ok("token-2".to_owned()));
    let (_, frame) = sent(&actions(&mut watcher));
    assert_eq!(frame["type"], "subscribe");
    assert_eq!(
        (&frame["token"], &frame["after_seq"]),
        (&json!("token-2"), &json!(1))
    );

    // A token that extends nothing.
    watcher.received(
        seconds(3),
        id,
        &subscribed_by_token(&frame["request_id"], 1),
    );
    actions(&mut watcher);
    let at = until_authorize(&mut watcher, id);
    watcher.authorized(at, id, Ok("token-3".to_owned()));
    let (_, frame) = sent(&actions(&mut watcher));
    watcher.received(at, id, &authenticated(&frame["request_id"], 0));
    assert_eq!(sent(&actions(&mut watcher)).1["type"], "subscribe");
}

#[test]
fn fixed_token_ends_the_watch_when_it_expires() {
    let (mut watcher, id) = live_by_tokens(false);
    watcher.received(seconds(2), id, &token_error("token_expired", &json!({})));
    let ended = actions(&mut watcher).pop();
    assert!(
        matches!(&ended, Some(Action::End(Err(error))) if error.code() == Some("token_expired")),
        "{ended:?}"
    );
}

#[test]
fn watch_goes_on_without_a_token_for_a_while() {
    let (mut watcher, id) = live_by_tokens(true);
    let at = until_authorize(&mut watcher, id);
    let none = || {
        Err(Error::NoToken {
            cause: "down".to_owned(),
        })
    };
    watcher.authorized(at, id, none());
    assert!(matches!(&actions(&mut watcher)[..], [Action::Warn(_)]));
    let again = until_authorize(&mut watcher, id);
    assert_eq!(again, at + TOKEN_RETRY_INTERVAL);
    watcher.authorized(again, id, Ok("token-2".to_owned()));
    sent(&actions(&mut watcher));
    let unavailable = token_error(
        "token_keys_unavailable",
        &json!({ "retry_after_seconds": 20 }),
    );
    watcher.received(again, id, &unavailable);
    assert!(matches!(&actions(&mut watcher)[..], [Action::Warn(_)]));

    // A connection without a token is replaced.
    let settings = WatchSettings {
        access: WatchAccess::Tokens { is_renewable: true },
        ..settings(true, 0, 1)
    };
    let mut watcher = Watcher::start(settings, seconds(0));
    let id = connected(&actions(&mut watcher));
    watcher.opened(seconds(1), id);
    actions(&mut watcher);
    watcher.authorized(seconds(1), id, none());
    assert!(matches!(
        &actions(&mut watcher)[..],
        [Action::Warn(_), Action::Close(_)]
    ));
    assert_ne!(connected(&run(&mut watcher, seconds(5))), id);
}

#[test]
fn refused_token_ends_the_watch_unless_the_next_one_may_be_accepted() {
    for (code, details, is_renewable, ends) in [
        (
            "invalid_token",
            json!({ "reason": "invalid_signature" }),
            true,
            true,
        ),
        ("invalid_token", json!({ "reason": "expired" }), true, false),
        ("invalid_token", json!({ "reason": "expired" }), false, true),
        (
            "invalid_token",
            json!({ "reason": "unknown_key" }),
            true,
            false,
        ),
        ("token_forbidden", json!({ "scope": "watch" }), true, true),
        ("token_keys_unavailable", json!({}), true, false),
    ] {
        let (mut watcher, id) = by_tokens(is_renewable);
        actions(&mut watcher);
        watcher.received(seconds(1), id, &token_error(code, &details));
        let all = actions(&mut watcher);
        let has_ended = all.iter().any(|it| matches!(it, Action::End(Err(_))));
        assert_eq!(has_ended, ends, "{code} {details}");
    }
}
