//! Metrics in CloudWatch's
//! [embedded metric format](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html):
//! log lines that CloudWatch turns into metrics, without a call or an agent.

use std::io::Write as _;

use granted_aws::telemetry::Output;
use serde_json::{Map, Value, json};
use stagecast_contract::metrics::{DELIVERIES_GIVEN_UP, FUNCTION_DIMENSION, NAMESPACE};
use typed_contract::functions::Function;

use crate::clock::Clock;

/// Counts of a sender's messages between two flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Messages that API Gateway accepted.
    pub sent: u64,
    /// Posts after the first of each message.
    pub retried: u64,
    /// Connections that had ended.
    pub gone: u64,
    /// Messages that the delivery function has to send.
    pub deferred: u64,
    /// Longest time in milliseconds from a message's first attempt, when it was at the front of its
    /// connection's queue, until API Gateway accepted it.
    pub slowest_millis: u64,
}

/// Name, unit and value of a metric.
type Metric = (&'static str, &'static str, u64);

/// The record of one flush of the function `F`.
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

/// A log record of the function `F` with metrics.
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
        (FUNCTION_DIMENSION.to_owned(), json!(F::SPEC.name)),
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
                "Dimensions": [[FUNCTION_DIMENSION]],
                "Metrics": metrics,
            }],
        }),
    );
    Value::Object(record)
}

/// Logs the metrics of one flush of the function `F`. `subscribers` is the number of subscribers that the
/// function posts to directly.
pub fn delivered<F: Function>(
    clock: &Clock,
    job_id: &str,
    subscribers: usize,
    counts: &StatsSnapshot,
) {
    write(&flushed::<F>(clock, job_id, subscribers as u64, counts));
}

/// Logs that the function `F` has given up a delivery to one connection.
pub fn given_up<F: Function>(clock: &Clock, job_id: &str) {
    let metrics = [(DELIVERIES_GIVEN_UP, "Count", 1)];
    write(&record::<F>(clock, "ERROR", "given up", job_id, &metrics));
}

fn write(record: &Value) {
    // A metric that cannot be written is missing, which is no reason to fail.
    let _ = Output.write_all(format!("{record}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{functions::DeliveryFunction, timestamp::Timestamp};

    use super::*;

    #[test]
    fn record_names_each_metric_and_has_its_value() {
        let clock = Clock::standing_at(Timestamp::from_epoch_seconds(1_705_314_615));
        let counts = StatsSnapshot {
            sent: 7,
            slowest_millis: 12,
            ..StatsSnapshot::default()
        };
        let record = flushed::<DeliveryFunction>(&clock, "job_1_a", 2, &counts);
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
