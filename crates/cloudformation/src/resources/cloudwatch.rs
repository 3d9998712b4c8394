//! CloudWatch: alarms and dashboards.

use serde::Serialize;

use super::TagList;
use crate::{If, ResourceType, StringValue};

/// An alarm on a metric or an expression.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Alarm {
    /// What the alarm means and where to look.
    pub alarm_description: String,
    /// The metric or expression.
    #[serde(flatten)]
    pub watched: Watched,
    /// How values are compared with the threshold.
    pub comparison_operator: Comparison,
    /// The threshold, in the unit of the metric.
    pub threshold: u64,
    /// The number of most recent periods that count.
    pub evaluation_periods: u32,
    /// How many of these periods must breach the threshold.
    pub datapoints_to_alarm: u32,
    /// How a period without data counts.
    pub treat_missing_data: MissingData,
    /// ARNs of actions when the alarm enters the state ALARM: SNS topics, for example.
    pub alarm_actions: Vec<If>,
    /// ARNs of actions when the alarm enters the state OK.
    #[serde(rename = "OKActions")]
    pub ok_actions: Vec<If>,
    /// The alarm's tags.
    pub tags: TagList,
}

impl ResourceType for Alarm {
    const TYPE_NAME: &'static str = "AWS::CloudWatch::Alarm";
}

/// The metric or expression of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "PascalCase")]
pub enum Watched {
    /// A metric.
    Metric {
        /// The metric.
        #[serde(flatten)]
        metric: Metric,
        /// How the values of a period are aggregated.
        #[serde(flatten)]
        statistic: Statistic,
        /// The length of a period, in seconds.
        period: u32,
    },
    /// An expression over metrics.
    Expression {
        /// The expression and its metrics, of which one is returned.
        metrics: Vec<MetricQuery>,
    },
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metric {
    /// The namespace, `AWS/SQS`.
    pub namespace: &'static str,
    /// The name in the namespace.
    pub metric_name: &'static str,
    /// The dimensions: the resource that is measured.
    pub dimensions: Vec<Dimension>,
}

/// A dimension of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    /// The name, `QueueName`.
    pub name: &'static str,
    /// The value.
    pub value: StringValue,
}

/// How the values of a period are aggregated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Statistic {
    /// A statistic other than a percentile.
    Statistic(SimpleStatistic),
    /// A percentile.
    ExtendedStatistic(Percentile),
}

/// A statistic other than a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SimpleStatistic {
    /// The largest value.
    Maximum,
    /// The sum of the values.
    Sum,
}

/// A percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Percentile {
    /// The median.
    #[serde(rename = "p50")]
    P50,
    /// The value that 1 % exceed.
    #[serde(rename = "p99")]
    P99,
}

impl Statistic {
    /// The name of the statistic in graphs and metric queries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Statistic(SimpleStatistic::Maximum) => "Maximum",
            Self::Statistic(SimpleStatistic::Sum) => "Sum",
            Self::ExtendedStatistic(Percentile::P50) => "p50",
            Self::ExtendedStatistic(Percentile::P99) => "p99",
        }
    }
}

/// A metric or an expression of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetricQuery {
    /// The id, by which expressions refer to it.
    pub id: String,
    /// The expression. None: [`Self::metric_stat`] is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The metric. None: [`Self::expression`] is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_stat: Option<MetricStat>,
    /// Whether this is the value that the alarm compares with its threshold.
    pub return_data: bool,
}

/// A metric with its period and statistic.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetricStat {
    /// The metric.
    pub metric: Metric,
    /// The length of a period, in seconds.
    pub period: u32,
    /// The statistic ([`Statistic::name`]).
    pub stat: &'static str,
}

/// How an alarm compares values with its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Comparison {
    /// At or above the threshold.
    GreaterThanOrEqualToThreshold,
}

/// How an alarm counts a period without data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// As within the threshold.
    NotBreaching,
}

/// A dashboard.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-dashboard.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dashboard {
    /// A [`DashboardBody`] as JSON text, made by [`Sub::json`](crate::Sub::json).
    pub dashboard_body: StringValue,
    /// The dashboard's tags.
    pub tags: TagList,
}

impl ResourceType for Dashboard {
    const TYPE_NAME: &'static str = "AWS::CloudWatch::Dashboard";
}

/// The content of a dashboard.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>
#[derive(Clone, Debug, Serialize)]
pub struct DashboardBody {
    /// The widgets.
    pub widgets: Vec<Widget>,
}

/// A widget and its place on the dashboard.
#[derive(Clone, Debug, Serialize)]
pub struct Widget {
    /// The kind of widget.
    #[serde(rename = "type")]
    pub kind: WidgetType,
    /// Columns from the left; the dashboard has 24.
    pub x: u32,
    /// Rows from the top.
    pub y: u32,
    /// Width in columns.
    pub width: u32,
    /// Height in rows.
    pub height: u32,
    /// The content.
    pub properties: Graph,
}

/// The kind of a widget.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WidgetType {
    /// A graph of metrics.
    Metric,
}

/// A graph of metrics.
#[derive(Clone, Debug, Serialize)]
pub struct Graph {
    /// The title above the graph.
    pub title: String,
    /// The region of the metrics.
    pub region: StringValue,
    /// The lines.
    pub metrics: Vec<GraphMetric>,
    /// The length of a period, in seconds.
    pub period: u32,
}

/// A line of a graph. Serializes as CloudWatch has it: a list of namespace, metric, names and values of
/// the dimensions, and a map of statistic and label.
#[derive(Clone, Debug)]
pub struct GraphMetric {
    /// The metric.
    pub metric: Metric,
    /// How the values of a period are aggregated.
    pub statistic: Statistic,
    /// The label in the legend.
    pub label: String,
}

impl Serialize for GraphMetric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;

        #[derive(Serialize)]
        struct Rendering<'a> {
            stat: &'static str,
            label: &'a str,
        }

        let mut line = serializer.serialize_seq(None)?;
        line.serialize_element(self.metric.namespace)?;
        line.serialize_element(self.metric.metric_name)?;
        for dimension in &self.metric.dimensions {
            line.serialize_element(dimension.name)?;
            line.serialize_element(&dimension.value)?;
        }
        line.serialize_element(&Rendering {
            stat: self.statistic.name(),
            label: &self.label,
        })?;
        line.end()
    }
}
