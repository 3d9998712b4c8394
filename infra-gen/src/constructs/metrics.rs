//! The metrics of alarms and dashboard.

use super::{Function, Grantable, HttpApi, Queue, Table, WebSocketApi};
use crate::{
    resources::cloudwatch::{Dimension, Metric, Percentile, SimpleStatistic, Statistic},
    template::StringValue,
};

pub(super) const SUM: Statistic = Statistic::Statistic(SimpleStatistic::Sum);
pub(super) const MAXIMUM: Statistic = Statistic::Statistic(SimpleStatistic::Maximum);
pub(super) const P50: Statistic = Statistic::ExtendedStatistic(Percentile::P50);
pub(super) const P99: Statistic = Statistic::ExtendedStatistic(Percentile::P99);

/// The resources with alarms and graphs.
#[derive(Clone, Copy, Debug)]
pub struct Monitored<'a> {
    /// All functions.
    pub functions: &'a [Function],
    /// Tables, queues and the WebSocket API.
    pub resources: &'a Grantable,
    /// The HTTP API.
    pub http: &'a HttpApi,
}

impl Function {
    pub(super) fn metric(&self, metric_name: &'static str) -> Metric {
        Metric {
            namespace: "AWS/Lambda".into(),
            metric_name: metric_name.into(),
            dimensions: vec![dimension("FunctionName", self.resource.name())],
        }
    }
}

impl Queue {
    pub(super) fn metric(&self, metric_name: &'static str) -> Metric {
        queue_metric(metric_name, self.resource.name())
    }

    pub(super) fn dead_letter_metric(&self, metric_name: &'static str) -> Metric {
        queue_metric(metric_name, self.dead_letters.name())
    }
}

fn queue_metric(metric_name: &'static str, queue_name: StringValue) -> Metric {
    Metric {
        namespace: "AWS/SQS".into(),
        metric_name: metric_name.into(),
        dimensions: vec![dimension("QueueName", queue_name)],
    }
}

impl Table {
    pub(super) fn metric(&self, metric_name: &'static str) -> Metric {
        Metric {
            namespace: "AWS/DynamoDB".into(),
            metric_name: metric_name.into(),
            dimensions: vec![dimension("TableName", self.resource.name())],
        }
    }
}

impl WebSocketApi {
    pub(super) fn metric(&self, metric_name: &'static str) -> Metric {
        api_metric(metric_name, self.id(), self.stage_name())
    }
}

impl HttpApi {
    pub(super) fn metric(&self, metric_name: &'static str) -> Metric {
        api_metric(metric_name, self.id(), self.stage_name())
    }
}

fn api_metric(metric_name: &'static str, id: StringValue, stage: StringValue) -> Metric {
    Metric {
        namespace: "AWS/ApiGateway".into(),
        metric_name: metric_name.into(),
        dimensions: vec![dimension("ApiId", id), dimension("Stage", stage)],
    }
}

fn dimension(name: &'static str, value: StringValue) -> Dimension {
    Dimension {
        name: name.into(),
        value,
    }
}
