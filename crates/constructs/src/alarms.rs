//! Alarms.

use cloudformation::{
    Condition, ConditionName, ConstructPath, If, Parameter, ParameterName, ParameterType, Pseudo,
    StringValue,
    resources::cloudwatch::{
        Alarm, Comparison, Metric, MetricQuery, MetricStat, MissingData, Statistic, Watched,
    },
};

use crate::{
    error::SynthError,
    function::Function,
    http_api::HttpApi,
    metrics::{MAXIMUM, P99, SUM},
    queue::Queue,
    stack::Stack,
    table::Table,
    websocket_api::WebSocketApi,
};

/// The period of all metrics in seconds.
const PERIOD: u32 = 300;

/// The part of its timeout, in percent, that a function's slowest invocations may take.
const SLOW_PERCENT: u64 = 90;

/// The alarms of a stack, with their topic.
///
/// Alarms that the constructs do not have are added by [`Self::add`]:
///
/// ```
/// use cloudformation::{ConstructPath, resources::cloudwatch::Metric};
/// use constructs::{AlarmOptions, Alarms, Stack, settings::StackSettings};
///
/// let mut stack = Stack::new("Alarms", StackSettings::default())?;
/// let alarms = Alarms::new(&mut stack)?;
/// let refunds = Metric {
///     namespace: "Shop".into(),
///     metric_name: "RefundsFailed".into(),
///     dimensions: Vec::new(),
/// };
/// let options = AlarmOptions::at_least_one("Refunds failed: see the log of payments", refunds);
/// alarms.add(&mut stack, &ConstructPath::root("Refunds").child("Alarm"), options)?;
/// assert_eq!(stack.into_template().resources().len(), 1);
/// # Ok::<(), constructs::SynthError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Alarms {
    topic: If,
}

/// The options of an alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmOptions {
    /// What the alarm means and where to look.
    pub description: String,
    /// The metric or expression.
    pub watched: Watched,
    /// The value from which on the alarm is raised, in the unit of the metric.
    pub threshold: u64,
    /// The number of successive periods that must reach the threshold.
    pub periods: u32,
}

impl AlarmOptions {
    /// At least one occurrence in five minutes.
    pub fn at_least_one(description: impl Into<String>, counted: Metric) -> Self {
        Self {
            description: description.into(),
            watched: metric(counted, SUM),
            threshold: 1,
            periods: 1,
        }
    }
}

impl Alarms {
    /// Adds the parameter `AlarmTopicArn` with the topic of all alarms; the default is
    /// [`StackSettings::alarm_topic`](crate::settings::StackSettings::alarm_topic). Without a topic, alarms
    /// appear in the console only.
    pub fn new(stack: &mut Stack) -> Result<Self, SynthError> {
        let topic = ParameterName::new("AlarmTopicArn");
        let has_topic = ConditionName::new("HasAlarmTopic");
        let default = stack.settings().alarm_topic.as_ref();
        let default = default.map_or("", |topic| topic.as_str()).to_owned();
        stack.add_parameter(
            &topic,
            Parameter {
                kind: ParameterType::String,
                description: "The SNS topic that alarms go to; none if empty".to_owned(),
                default: Some(default),
                allowed_pattern: Some("(arn:[^:]+:sns:[^:]+:[^:]+:[^:]+)?".to_owned()),
                constraint_description: Some("the ARN of an SNS topic, or nothing".to_owned()),
            },
        )?;
        stack.add_condition(&has_topic, Condition::is_given(&topic))?;
        Ok(Self {
            topic: If::If(has_topic, StringValue::from(&topic), Pseudo::NoValue.into()),
        })
    }

    /// Adds alarms on failed, throttled and slow invocations of a function.
    pub fn watch_function(&self, stack: &mut Stack, function: &Function) -> Result<(), SynthError> {
        let name = function.spec.name;
        let path = ConstructPath::root(name);
        self.add(
            stack,
            &path.child("ErrorAlarm"),
            AlarmOptions::at_least_one(
                format!("Invocations of {name} failed: see the errors in its log"),
                function.metric("Errors"),
            ),
        )?;
        self.add(
            stack,
            &path.child("ThrottleAlarm"),
            AlarmOptions::at_least_one(
                format!(
                    "Invocations of {name} were refused for lack of concurrency: see the account's \
                     limit and the function's reservation"
                ),
                function.metric("Throttles"),
            ),
        )?;
        let timeout_milliseconds = u64::from(function.spec.timeout_seconds) * 1000;
        self.add(
            stack,
            &path.child("DurationAlarm"),
            AlarmOptions {
                description: format!(
                    "The slowest invocations of {name} take over {SLOW_PERCENT}% of its time-out: \
                     see its traces"
                ),
                watched: metric(function.metric("Duration"), P99),
                threshold: timeout_milliseconds * SLOW_PERCENT / 100,
                periods: 3,
            },
        )
    }

    /// Adds alarms on dead letters and on messages that are older than `attempts` visibility timeouts.
    /// Choose `attempts` so that they take longer than the longest delay of a message.
    pub fn watch_queue(
        &self,
        stack: &mut Stack,
        queue: &Queue,
        attempts: u32,
    ) -> Result<(), SynthError> {
        let name = queue.spec.name;
        let path = ConstructPath::root(name);
        self.add(
            stack,
            &path.child("QueueAgeAlarm"),
            AlarmOptions {
                description: format!(
                    "A message of the queue {name} is older than {attempts} attempts at it may \
                     take: see the log of its consumer"
                ),
                watched: metric(queue.metric("ApproximateAgeOfOldestMessage"), MAXIMUM),
                threshold: u64::from(attempts) * u64::from(queue.spec.visibility_timeout_seconds),
                periods: 1,
            },
        )?;
        self.add(
            stack,
            &path.child("DeadLetterAlarm"),
            AlarmOptions {
                description: format!(
                    "The queue {name} has dead letters: read them, fix the cause, then redrive them"
                ),
                watched: metric(
                    queue.dead_letter_metric("ApproximateNumberOfMessagesVisible"),
                    MAXIMUM,
                ),
                threshold: 1,
                periods: 1,
            },
        )
    }

    /// Adds an alarm on throttled reads and writes of a table.
    pub fn watch_table(&self, stack: &mut Stack, table: &Table) -> Result<(), SynthError> {
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
        self.add(
            stack,
            &ConstructPath::root(name).child("TableThrottleAlarm"),
            AlarmOptions {
                description: format!(
                    "Requests to the table {name} were refused: see its hottest keys"
                ),
                watched,
                threshold: 1,
                periods: 1,
            },
        )
    }

    /// Adds an alarm on invocations without an answer.
    pub fn watch_websocket_api(
        &self,
        stack: &mut Stack,
        api: &WebSocketApi,
    ) -> Result<(), SynthError> {
        self.add(
            stack,
            &api.path.child("IntegrationErrorAlarm"),
            AlarmOptions::at_least_one(
                "The WebSocket API could not get an answer from its function: see the API's access \
                 log",
                api.metric("IntegrationError"),
            ),
        )
    }

    /// Adds an alarm on responses with a status of 500 and more.
    pub fn watch_http_api(&self, stack: &mut Stack, api: &HttpApi) -> Result<(), SynthError> {
        self.add(
            stack,
            &api.path.child("ServerErrorAlarm"),
            AlarmOptions::at_least_one(
                "The HTTP API answered with a 5xx: see the API's access log",
                api.metric("5xx"),
            ),
        )
    }

    /// Adds an alarm. Periods without data do not raise it.
    pub fn add(
        &self,
        stack: &mut Stack,
        path: &ConstructPath,
        options: AlarmOptions,
    ) -> Result<(), SynthError> {
        let alarm = Alarm {
            alarm_description: options.description,
            watched: options.watched,
            comparison_operator: Comparison::GreaterThanOrEqualToThreshold,
            threshold: options.threshold,
            evaluation_periods: options.periods,
            datapoints_to_alarm: options.periods,
            treat_missing_data: MissingData::NotBreaching,
            alarm_actions: vec![self.topic.clone()],
            ok_actions: vec![self.topic.clone()],
            tags: stack.tags().list(),
        };
        stack.add(path, alarm)?;
        Ok(())
    }
}

fn metric(metric: Metric, statistic: Statistic) -> Watched {
    Watched::Metric {
        metric,
        statistic,
        period: PERIOD,
    }
}
