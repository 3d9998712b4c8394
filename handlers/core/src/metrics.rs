//! Metrics as CloudWatch reads them from log lines, in the
//! [embedded metric format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
//! no call, no agent, no cost but the line's.

use std::io::Write as _;

use contract::functions::Function;
use serde_json::{Map, Value, json};

use crate::{clock::Clock, telemetry::Output};

/// The namespace of every metric.
const NAMESPACE: &str = "Stagecast";

/// What became of messages between two flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Messages that connections were sent.
    pub sent: u64,
    /// Posts beyond the first of each message.
    pub retried: u64,
    /// Connections that were found to have ended.
    pub gone: u64,
    /// Messages left to the delivery function.
    pub deferred: u64,
    /// The longest that a message took from its turn, the first that its connection waits for, until
    /// it was taken, in milliseconds.
    pub slowest_millis: u64,
}

/// A metric of a record: its name, its unit, its value.
type Metric = (&'static str, &'static str, u64);

/// The record of one flush of the function `F`: what became of its messages.
fn flushed<F: Function>(
    clock: &Clock,
    job_id: &str,
    subscribers: u64,
    counts: &StatsSnapshot,
) -> Value {
    let metrics = [
        ("MessagesSent", "Count", counts.sent),
        ("PostsRetried", "Count", counts.retried),
        ("ConnectionsGone", "Count", counts.gone),
        ("MessagesDeferred", "Count", counts.deferred),
        ("Subscribers", "Count", subscribers),
        ("DeliveryLatency", "Milliseconds", counts.slowest_millis),
    ];
    record::<F>(clock, "INFO", "delivered", job_id, &metrics)
}

/// A record of the function `F`, as a line of its log.
fn record<F: Function>(
    clock: &Clock,
    level: &str,
    message: &str,
    job_id: &str,
    metrics: &[Metric],
) -> Value {
    let now = clock.now();
    let mut record = Map::from_iter([
        ("timestamp".to_owned(), json!(now)),
        ("level".to_owned(), json!(level)),
        ("message".to_owned(), json!(message)),
        ("function".to_owned(), json!(F::SPEC.name)),
        ("job_id".to_owned(), json!(job_id)),
    ]);
    for (name, _, value) in metrics {
        record.insert((*name).to_owned(), json!(value));
    }
    let metrics: Vec<_> = metrics
        .iter()
        .map(|(name, unit, _)| json!({ "Name": name, "Unit": unit }))
        .collect();
    record.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.epoch_seconds() * 1000,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["function"]],
                "Metrics": metrics,
            }],
        }),
    );
    Value::Object(record)
}

/// Writes the record of one flush of the function `F` to the log. `subscribers` are those that the
/// function sends to itself.
pub fn delivered<F: Function>(
    clock: &Clock,
    job_id: &str,
    subscribers: usize,
    counts: &StatsSnapshot,
) {
    write(&flushed::<F>(clock, job_id, subscribers as u64, counts));
}

/// Writes to the log that the function `F` has given up a delivery to one connection.
pub fn given_up<F: Function>(clock: &Clock, job_id: &str) {
    let metrics = [("DeliveriesGivenUp", "Count", 1)];
    write(&record::<F>(clock, "ERROR", "given up", job_id, &metrics));
}

fn write(record: &Value) {
    // A line that cannot be written is a metric that is missing: no reason to fail.
    let _ = Output.write_all(format!("{record}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use contract::{functions::PipelineFunction, timestamp::Timestamp};

    use super::*;

    #[test]
    fn a_record_names_each_metric_and_holds_its_value() {
        let clock = Clock::standing_at(Timestamp::from_epoch_seconds(1_705_314_615));
        let counts = StatsSnapshot {
            sent: 7,
            slowest_millis: 12,
            ..StatsSnapshot::default()
        };
        let record = flushed::<PipelineFunction>(&clock, "job_1_a", 2, &counts);
        let described = &record["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(described["Namespace"], "Stagecast");
        for dimension in described["Dimensions"][0].as_array().unwrap() {
            assert!(record[dimension.as_str().unwrap()].is_string());
        }
        for metric in described["Metrics"].as_array().unwrap() {
            assert!(
                record[metric["Name"].as_str().unwrap()].is_u64(),
                "{metric}"
            );
        }
        assert_eq!(record["MessagesSent"], 7);
        assert_eq!(record["DeliveryLatency"], 12);
        assert_eq!(record["_aws"]["Timestamp"], 1_705_314_615_000_i64);
    }
}
