//! CloudWatch: metrics, alarms, dashboards.

use serde::Serialize;

use super::TagList;
use crate::template::{If, StringValue};

/// What watches a metric.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Alarm {
    /// What is wrong when it rings, and where to look.
    pub alarm_description: String,
    /// What is watched.
    #[serde(flatten)]
    pub watched: Watched,
    /// When it rings.
    pub comparison_operator: Comparison,
    /// From where on.
    pub threshold: u64,
    /// Periods that are looked at.
    pub evaluation_periods: u32,
    /// How many of them must be over the threshold.
    pub datapoints_to_alarm: u32,
    /// What a period without data means.
    pub treat_missing_data: MissingData,
    /// Who is told when it rings.
    pub alarm_actions: Vec<If>,
    /// Who is told when it is over.
    #[serde(rename = "OKActions")]
    pub ok_actions: Vec<If>,
    /// The alarm's tags.
    pub tags: TagList,
}

/// What an alarm watches.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "PascalCase")]
pub enum Watched {
    /// A metric.
    Metric {
        /// The metric.
        #[serde(flatten)]
        metric: Metric,
        /// How the values of a period become one.
        #[serde(flatten)]
        statistic: Statistic,
        /// The length of a period, in seconds.
        period: u32,
    },
    /// Something calculated from metrics.
    Expression {
        /// The expression and its metrics.
        metrics: Vec<MetricQuery>,
    },
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metric {
    /// Whose metric it is, `AWS/SQS`.
    pub namespace: &'static str,
    /// Its name.
    pub metric_name: &'static str,
    /// Of what.
    pub dimensions: Vec<Dimension>,
}

/// A dimension of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dimension {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: StringValue,
}

/// How the values of a period become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Statistic {
    /// A simple one.
    Statistic(SimpleStatistic),
    /// A percentile.
    ExtendedStatistic(Percentile),
}

/// A statistic that is no percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum SimpleStatistic {
    /// The largest value.
    Maximum,
    /// All values together.
    Sum,
}

/// A percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Percentile {
    /// Half are faster.
    #[serde(rename = "p50")]
    P50,
    /// One in a hundred is slower.
    #[serde(rename = "p99")]
    P99,
}

impl Statistic {
    /// The statistic as graphs name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Statistic(SimpleStatistic::Maximum) => "Maximum",
            Self::Statistic(SimpleStatistic::Sum) => "Sum",
            Self::ExtendedStatistic(Percentile::P50) => "p50",
            Self::ExtendedStatistic(Percentile::P99) => "p99",
        }
    }
}

/// A metric, or what is calculated from others, within an alarm.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MetricQuery {
    /// Its name in expressions.
    pub id: String,
    /// What is calculated; without it, [`Self::metric_stat`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_stat: Option<MetricStat>,
    /// Whether this is what the alarm watches.
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
    /// The statistic, as graphs name it.
    pub stat: &'static str,
}

/// When an alarm rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Comparison {
    /// From the threshold on.
    GreaterThanOrEqualToThreshold,
}

/// What a period without data means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MissingData {
    /// That all is well: nothing happened.
    NotBreaching,
}

/// A page of graphs.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-dashboard.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Dashboard {
    /// The page: a [`DashboardBody`] as text.
    pub dashboard_body: StringValue,
    /// The page's tags.
    pub tags: TagList,
}

/// A page of graphs.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>
#[derive(Clone, Debug, Serialize)]
pub struct DashboardBody {
    /// The graphs.
    pub widgets: Vec<Widget>,
}

/// A graph and where it is.
#[derive(Clone, Debug, Serialize)]
pub struct Widget {
    /// What kind it is.
    #[serde(rename = "type")]
    pub kind: WidgetType,
    /// Columns from the left, of 24.
    pub x: u32,
    /// Rows from the top.
    pub y: u32,
    /// Columns wide.
    pub width: u32,
    /// Rows high.
    pub height: u32,
    /// What it shows.
    pub properties: Graph,
}

/// What kind a widget is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WidgetType {
    /// A graph of metrics.
    Metric,
}

/// A graph of metrics.
#[derive(Clone, Debug, Serialize)]
pub struct Graph {
    /// What is above it.
    pub title: String,
    /// Where the metrics are.
    pub region: StringValue,
    /// What it shows.
    pub metrics: Vec<GraphMetric>,
    /// The length of a period, in seconds.
    pub period: u32,
}

/// A line of a graph: namespace, metric, then names and values of its dimensions, then how it is
/// shown.
#[derive(Clone, Debug)]
pub struct GraphMetric {
    /// The metric.
    pub metric: Metric,
    /// How the values of a period become one.
    pub statistic: Statistic,
    /// What the line is called.
    pub label: String,
}

impl Serialize for GraphMetric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;

        #[derive(Serialize)]
        struct Shown<'a> {
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
        line.serialize_element(&Shown {
            stat: self.statistic.name(),
            label: &self.label,
        })?;
        line.end()
    }
}
