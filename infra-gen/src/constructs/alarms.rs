//! The alarms of the stack.

use super::{
    Function, Monitored, Queue, Stack, SynthError, Table,
    metrics::{MAXIMUM, P99, SUM},
};
use crate::{
    resources::cloudwatch::{
        Alarm, Comparison, Metric, MetricQuery, MetricStat, MissingData, Statistic, Watched,
    },
    template::{
        Condition, ConditionName, ConstructPath, If, Parameter, ParameterName, ParameterType,
        Pseudo, StringValue,
    },
};

/// The number of attempts at a message, each of the longest duration, after which its age raises an
/// alarm. Together they take longer than the watchdog's longest delay.
const ATTEMPTS_BEFORE_ALARM: u64 = 6;

/// The period of all metrics in seconds.
const PERIOD: u32 = 300;

/// The part of its timeout, in percent, that a function's slowest invocations may take.
const SLOW_PERCENT: u64 = 90;

/// The alarms of the stack, with their topic.
#[derive(Debug)]
pub struct Alarms {
    topic: If,
}

/// The condition of an alarm.
struct AlarmCondition {
    watched: Watched,
    threshold: u64,
    periods: u32,
}

impl Alarms {
    /// Adds the alarms of all functions, queues, tables and APIs.
    pub fn add(stack: &mut Stack, monitored: Monitored) -> Result<(), SynthError> {
        let alarms = Self {
            topic: add_topic(stack)?,
        };
        for function in monitored.functions {
            alarms.watch_function(stack, function)?;
        }
        for queue in &monitored.resources.queues {
            alarms.watch_queue(stack, queue)?;
        }
        for table in &monitored.resources.tables {
            alarms.watch_table(stack, table)?;
        }
        alarms.add_alarm(
            stack,
            &ConstructPath::root("WebSocketApi").child("IntegrationErrorAlarm"),
            "The WebSocket API could not get an answer from its function: see the API's access log"
                .to_owned(),
            at_least_one(monitored.resources.websocket.metric("IntegrationError")),
        )?;
        alarms.add_alarm(
            stack,
            &ConstructPath::root("HttpApi").child("ServerErrorAlarm"),
            "The HTTP API answered with a 5xx: see the API's access log".to_owned(),
            at_least_one(monitored.http.metric("5xx")),
        )
    }

    fn watch_function(&self, stack: &mut Stack, function: &Function) -> Result<(), SynthError> {
        let name = function.spec.name;
        let path = ConstructPath::root(name);
        self.add_alarm(
            stack,
            &path.child("ErrorAlarm"),
            format!("Invocations of {name} failed: see the errors in its log"),
            at_least_one(function.metric("Errors")),
        )?;
        self.add_alarm(
            stack,
            &path.child("ThrottleAlarm"),
            format!(
                "Invocations of {name} were refused for lack of concurrency: see the account's \
                 limit and the function's reservation"
            ),
            at_least_one(function.metric("Throttles")),
        )?;
        let timeout_milliseconds = u64::from(function.spec.timeout_seconds) * 1000;
        self.add_alarm(
            stack,
            &path.child("DurationAlarm"),
            format!(
                "The slowest invocations of {name} take over {SLOW_PERCENT}% of its time-out: see \
                 its traces"
            ),
            AlarmCondition {
                watched: metric(function.metric("Duration"), P99),
                threshold: timeout_milliseconds * SLOW_PERCENT / 100,
                periods: 3,
            },
        )
    }

    fn watch_queue(&self, stack: &mut Stack, queue: &Queue) -> Result<(), SynthError> {
        let name = queue.spec.name;
        let path = ConstructPath::root(name);
        self.add_alarm(
            stack,
            &path.child("QueueAgeAlarm"),
            format!(
                "A message of the queue {name} is older than {ATTEMPTS_BEFORE_ALARM} attempts at it \
                 may take: see the log of its consumer"
            ),
            AlarmCondition {
                watched: metric(queue.metric("ApproximateAgeOfOldestMessage"), MAXIMUM),
                threshold: ATTEMPTS_BEFORE_ALARM * u64::from(queue.spec.visibility_timeout_seconds),
                periods: 1,
            },
        )?;
        self.add_alarm(
            stack,
            &path.child("DeadLetterAlarm"),
            format!(
                "The queue {name} has dead letters: read them, fix the cause, then redrive them"
            ),
            AlarmCondition {
                watched: metric(
                    queue.dead_letter_metric("ApproximateNumberOfMessagesVisible"),
                    MAXIMUM,
                ),
                threshold: 1,
                periods: 1,
            },
        )
    }

    fn watch_table(&self, stack: &mut Stack, table: &Table) -> Result<(), SynthError> {
        let name = table.spec.name;
        let query = |id: &str, metric| MetricQuery {
            id: id.to_owned(),
            expression: None,
            metric_stat: Some(MetricStat {
                metric,
                period: PERIOD,
                stat: SUM.name().into(),
            }),
            return_data: false,
        };
        let watched = Watched::Expression {
            metrics: vec![
                MetricQuery {
                    id: "throttled".to_owned(),
                    expression: Some("FILL(reads, 0) + FILL(writes, 0)".to_owned()),
                    metric_stat: None,
                    return_data: true,
                },
                query("reads", table.metric("ReadThrottleEvents")),
                query("writes", table.metric("WriteThrottleEvents")),
            ],
        };
        self.add_alarm(
            stack,
            &ConstructPath::root(name).child("TableThrottleAlarm"),
            format!("Requests to the table {name} were refused: see its hottest keys"),
            AlarmCondition {
                watched,
                threshold: 1,
                periods: 1,
            },
        )
    }

    fn add_alarm(
        &self,
        stack: &mut Stack,
        path: &ConstructPath,
        description: String,
        condition: AlarmCondition,
    ) -> Result<(), SynthError> {
        let alarm = Alarm {
            alarm_description: description,
            watched: condition.watched,
            comparison_operator: Comparison::GreaterThanOrEqualToThreshold,
            threshold: condition.threshold,
            evaluation_periods: condition.periods,
            datapoints_to_alarm: condition.periods,
            treat_missing_data: MissingData::NotBreaching,
            alarm_actions: vec![self.topic.clone()],
            ok_actions: vec![self.topic.clone()],
            tags: stack.tags().list(),
        };
        stack.add(path, alarm)?;
        Ok(())
    }
}

/// The condition of at least one occurrence in a period.
fn at_least_one(counted: Metric) -> AlarmCondition {
    AlarmCondition {
        watched: metric(counted, SUM),
        threshold: 1,
        periods: 1,
    }
}

fn metric(metric: Metric, statistic: Statistic) -> Watched {
    Watched::Metric {
        metric,
        statistic,
        period: PERIOD,
    }
}

/// Adds the parameter that names the topic. Without a value, alarms appear in the console only.
fn add_topic(stack: &mut Stack) -> Result<If, SynthError> {
    let topic = ParameterName::new("AlarmTopicArn");
    let has_topic = ConditionName::new("HasAlarmTopic");
    let default = stack.environment().alarm_topic.as_ref();
    stack.add_parameter(
        &topic,
        Parameter {
            kind: ParameterType::String,
            description: "The SNS topic that alarms go to; none if empty".to_owned(),
            default: Some(default.map_or("", |topic| topic.as_str()).to_owned()),
            allowed_pattern: Some("(arn:[^:]+:sns:[^:]+:[^:]+:[^:]+)?".to_owned()),
            constraint_description: Some("the ARN of an SNS topic, or nothing".to_owned()),
        },
    )?;
    stack.add_condition(&has_topic, Condition::is_given(&topic))?;
    Ok(If::If(
        has_topic,
        StringValue::from(&topic),
        Pseudo::NoValue.into(),
    ))
}
