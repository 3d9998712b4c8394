//! The metrics of constructs, for alarms and graphs.

use cloudformation::{
    StringValue,
    resources::cloudwatch::{Dimension, Metric, Percentile, SimpleStatistic, Statistic},
};

use crate::{
    function::Function, http_api::HttpApi, queue::Queue, table::Table, websocket_api::WebSocketApi,
};

pub(crate) const SUM: Statistic = Statistic::Statistic(SimpleStatistic::Sum);
pub(crate) const MAXIMUM: Statistic = Statistic::Statistic(SimpleStatistic::Maximum);
pub(crate) const P50: Statistic = Statistic::ExtendedStatistic(Percentile::P50);
pub(crate) const P99: Statistic = Statistic::ExtendedStatistic(Percentile::P99);

impl Function {
    /// A metric of the function in the namespace `AWS/Lambda`, such as `Errors`.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>
    pub fn metric(&self, metric_name: &'static str) -> Metric {
        Metric {
            namespace: "AWS/Lambda".into(),
            metric_name: metric_name.into(),
            dimensions: vec![dimension("FunctionName", self.resource.name())],
        }
    }
}

impl Queue {
    /// A metric of the queue in the namespace `AWS/SQS`, such as `NumberOfMessagesSent`.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
    pub fn metric(&self, metric_name: &'static str) -> Metric {
        queue_metric(metric_name, self.resource.name())
    }

    /// A metric of the dead-letter queue in the namespace `AWS/SQS`.
    pub fn dead_letter_metric(&self, metric_name: &'static str) -> Metric {
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
    /// A metric of the table in the namespace `AWS/DynamoDB`, such as `ConsumedReadCapacityUnits`.
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>
    pub fn metric(&self, metric_name: &'static str) -> Metric {
        Metric {
            namespace: "AWS/DynamoDB".into(),
            metric_name: metric_name.into(),
            dimensions: vec![dimension("TableName", self.resource.name())],
        }
    }
}

impl WebSocketApi {
    /// A metric of the API in the namespace `AWS/ApiGateway`, such as `ConnectCount`.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html>
    pub fn metric(&self, metric_name: &'static str) -> Metric {
        api_metric(metric_name, self.id(), self.stage_name())
    }
}

impl HttpApi {
    /// A metric of the API in the namespace `AWS/ApiGateway`, such as `5xx`.
    /// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html>
    pub fn metric(&self, metric_name: &'static str) -> Metric {
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
