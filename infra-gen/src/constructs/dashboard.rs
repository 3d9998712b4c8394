//! The dashboard.

use super::{
    Monitored, Stack, SynthError,
    metrics::{MAXIMUM, P50, P99, SUM},
};
use crate::{
    resources::cloudwatch::{
        self, DashboardBody, Graph, GraphMetric, Metric, Statistic, Widget, WidgetType,
    },
    template::{ConstructPath, Pseudo, StringValue, Sub},
};

/// The columns of a dashboard, a limit of CloudWatch.
const COLUMNS: u32 = 24;
const WIDTH: u32 = 12;
const HEIGHT: u32 = 6;
const PERIOD: u32 = 60;

/// A dashboard with graphs of the whole stack.
#[derive(Debug)]
pub struct Dashboard;

impl Dashboard {
    /// Adds the dashboard.
    pub fn add(stack: &mut Stack, monitored: Monitored) -> Result<(), SynthError> {
        let body = DashboardBody {
            widgets: arrange(graphs(monitored)),
        };
        let body = Sub::json(body).map_err(|cause| SynthError::Json {
            what: "the dashboard",
            cause: cause.to_string(),
        })?;
        let dashboard = cloudwatch::Dashboard {
            dashboard_body: StringValue::Sub(body),
            tags: stack.tags().list(),
        };
        stack.add(&ConstructPath::root("Dashboard"), dashboard)?;
        Ok(())
    }
}

fn graphs(monitored: Monitored) -> Vec<Graph> {
    let Monitored {
        functions,
        resources,
        http,
    } = monitored;
    let websocket = &resources.websocket;
    let mut graphs = vec![
        graph(
            "WebSocket API",
            vec![
                line("connections opened", websocket.metric("ConnectCount"), SUM),
                line("messages", websocket.metric("MessageCount"), SUM),
                line("client errors", websocket.metric("ClientError"), SUM),
                line(
                    "integration errors",
                    websocket.metric("IntegrationError"),
                    SUM,
                ),
            ],
        ),
        graph(
            "HTTP API",
            vec![
                line("requests", http.metric("Count"), SUM),
                line("4xx", http.metric("4xx"), SUM),
                line("5xx", http.metric("5xx"), SUM),
            ],
        ),
    ];
    for function in functions {
        let name = function.spec.name;
        graphs.push(graph(
            &format!("{name}: invocations"),
            vec![
                line("invocations", function.metric("Invocations"), SUM),
                line("errors", function.metric("Errors"), SUM),
                line("throttles", function.metric("Throttles"), SUM),
            ],
        ));
        graphs.push(graph(
            &format!("{name}: duration"),
            vec![
                line("median", function.metric("Duration"), P50),
                line("p99", function.metric("Duration"), P99),
            ],
        ));
    }
    for queue in &resources.queues {
        graphs.push(graph(
            &format!("{}: messages", queue.spec.name),
            vec![
                line(
                    "waiting",
                    queue.metric("ApproximateNumberOfMessagesVisible"),
                    MAXIMUM,
                ),
                line(
                    "dead letters",
                    queue.dead_letter_metric("ApproximateNumberOfMessagesVisible"),
                    MAXIMUM,
                ),
                line(
                    "age of the oldest, in seconds",
                    queue.metric("ApproximateAgeOfOldestMessage"),
                    MAXIMUM,
                ),
            ],
        ));
    }
    let throttled = |metric_name| {
        resources
            .tables
            .iter()
            .map(move |table| line(table.spec.name, table.metric(metric_name), SUM))
            .collect()
    };
    graphs.push(graph("Reads refused", throttled("ReadThrottleEvents")));
    graphs.push(graph("Writes refused", throttled("WriteThrottleEvents")));
    graphs
}

fn graph(title: &str, metrics: Vec<GraphMetric>) -> Graph {
    Graph {
        title: title.to_owned(),
        region: Pseudo::Region.into(),
        metrics,
        period: PERIOD,
    }
}

fn line(label: &str, metric: Metric, statistic: Statistic) -> GraphMetric {
    GraphMetric {
        metric,
        statistic,
        label: label.to_owned(),
    }
}

/// Arranges graphs from left to right, then down.
fn arrange(graphs: Vec<Graph>) -> Vec<Widget> {
    let per_row = COLUMNS / WIDTH;
    (0..)
        .zip(graphs)
        .map(|(index, properties)| Widget {
            kind: WidgetType::Metric,
            x: index % per_row * WIDTH,
            y: index / per_row * HEIGHT,
            width: WIDTH,
            height: HEIGHT,
            properties,
        })
        .collect()
}
