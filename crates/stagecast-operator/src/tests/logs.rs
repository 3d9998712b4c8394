use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use stagecast_testing::TestAws;

use crate::{
    OperatorError,
    callers::Viewer,
    logs::{LogGroup, LogReader},
};

/// CloudWatch Logs with these events, by log group: id, time and text.
type Events = Arc<Mutex<Vec<(&'static str, &'static str, i64, &'static str)>>>;

/// Answers `FilterLogEvents` from `events`, and records the requests.
fn cloudwatch(aws: &TestAws, events: &Events, requests: &Arc<Mutex<Vec<Value>>>) {
    let (events, requests) = (Arc::clone(events), Arc::clone(requests));
    aws.answer_other_services(move |service, request| {
        assert_eq!(service, "logs");
        let request: Value = serde_json::from_slice(request.body()).expect("JSON");
        let start = request["startTime"].as_i64().unwrap_or_default();
        let group = request["logGroupName"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        requests.lock().expect("requests").push(request);
        if group == "missing" {
            let body = json!({"__type": "AccessDeniedException",
                "message": "not authorized to perform: logs:FilterLogEvents"});
            let response = Response::builder().status(400);
            return response.body(Bytes::from(body.to_string())).ok();
        }
        let events = events.lock().expect("events");
        let events = events.iter().filter(|it| it.0 == group && it.2 >= start);
        let events = events
            .map(|(_, id, time, text)| json!({"eventId": id, "timestamp": time, "message": text}));
        let body = json!({"events": events.collect::<Vec<_>>()});
        Some(Response::new(Bytes::from(body.to_string())))
    });
}

fn reader(aws: &TestAws, groups: &[&str], terms: &[&str]) -> LogReader {
    let groups = groups.iter().map(|group| LogGroup {
        function: (*group).to_owned(),
        group: (*group).to_owned(),
    });
    let terms: Vec<_> = terms.iter().map(|term| (*term).to_owned()).collect();
    LogReader::new(&aws.config::<Viewer>(), groups.collect(), &terms, 1_000)
}

#[tokio::test]
async fn records_of_all_functions_are_read_once_in_the_order_of_time() {
    let aws = TestAws::new();
    let events = Events::new(Mutex::new(vec![
        ("jobs", "1", 500, "too old"),
        ("jobs", "2", 2_000, "created"),
        ("pipeline", "2", 3_000, "claimed"),
        ("jobs", "3", 4_000, "cancelled"),
    ]));
    let requests = Arc::default();
    cloudwatch(&aws, &events, &requests);
    let mut reader = reader(&aws, &["jobs", "pipeline"], &["job_1", "co\"rr"]);
    let texts = async |reader: &mut LogReader| -> Vec<String> {
        let records = reader.next().await.expect("the records can be read");
        records.into_iter().map(|record| record.text).collect()
    };
    assert_eq!(
        texts(&mut reader).await,
        ["created", "claimed", "cancelled"]
    );
    assert_eq!(texts(&mut reader).await, [""; 0]);
    // It was written before the newest one, and is shown after it.
    events.lock().expect("events").extend([
        ("pipeline", "4", 3_500, "late"),
        ("jobs", "5", 90_000, "done"),
    ]);
    assert_eq!(texts(&mut reader).await, ["late", "done"]);
    assert_eq!(texts(&mut reader).await, [""; 0]);
    let requests = requests.lock().expect("requests");
    assert_eq!(requests[0]["filterPattern"], "\"job_1\" \"corr\"");
    let last = requests.last().expect("a request");
    assert_eq!(last["startTime"], 60_000);
}

#[tokio::test]
async fn missing_permission_is_an_error_that_names_the_group() {
    let aws = TestAws::new();
    cloudwatch(&aws, &Events::default(), &Arc::default());
    let error = reader(&aws, &["missing"], &[]).next().await;
    let error = error.expect_err("denied");
    assert!(matches!(error, OperatorError::Call { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("reading the log group missing failed"),
        "{text}"
    );
    assert!(text.contains("logs:FilterLogEvents"), "{text}");
    assert!(error.help().is_some());
}
