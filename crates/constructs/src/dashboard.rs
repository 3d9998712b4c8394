//! A dashboard.

use cloudformation::{
    ConstructPath, Pseudo, StringValue, Sub,
    resources::cloudwatch::{
        self, DashboardBody, Graph, GraphMetric, Metric, Statistic, Widget, WidgetType,
    },
};

use crate::{
    error::SynthError,
    function::Function,
    http_api::HttpApi,
    metrics::{MAXIMUM, P50, P99, SUM},
    queue::Queue,
    stack::Stack,
    table::Table,
    websocket_api::WebSocketApi,
};

/// The columns of a dashboard, a limit of CloudWatch.
const COLUMNS: u32 = 24;
const WIDTH: u32 = 12;
const HEIGHT: u32 = 6;
const PERIOD: u32 = 60;

/// A dashboard under construction: graphs in the order in which they were added, two in a row.
/// [`Self::add`] adds it to the stack.
///
/// ```
/// use cloudformation::resources::cloudwatch::{GraphMetric, Metric, SimpleStatistic, Statistic};
/// use constructs::{Dashboard, Stack, settings::StackSettings};
///
/// let mut stack = Stack::new("A dashboard", StackSettings::default())?;
/// let mut dashboard = Dashboard::default();
/// dashboard.add_graph("Orders", vec![GraphMetric {
///     metric: Metric {
///         namespace: "Shop".into(),
///         metric_name: "OrdersPlaced".into(),
///         dimensions: Vec::new(),
///     },
///     statistic: Statistic::Statistic(SimpleStatistic::Sum),
///     label: "placed".to_owned(),
/// }]);
/// dashboard.add(&mut stack, "Dashboard")?;
/// # Ok::<(), constructs::SynthError>(())
/// ```
#[derive(Debug, Default)]
pub struct Dashboard {
    graphs: Vec<Graph>,
}

impl Dashboard {
    /// Adds a graph of connections, messages and errors.
    pub fn add_websocket_api(&mut self, api: &WebSocketApi) {
        self.add_graph(
            "WebSocket API",
            vec![
                line("connections opened", api.metric("ConnectCount"), SUM),
                line("messages", api.metric("MessageCount"), SUM),
                line("client errors", api.metric("ClientError"), SUM),
                line("integration errors", api.metric("IntegrationError"), SUM),
            ],
        );
    }

    /// Adds a graph of requests and errors.
    pub fn add_http_api(&mut self, api: &HttpApi) {
        self.add_graph(
            "HTTP API",
            vec![
                line("requests", api.metric("Count"), SUM),
                line("4xx", api.metric("4xx"), SUM),
                line("5xx", api.metric("5xx"), SUM),
            ],
        );
    }

    /// Adds a graph of a function's invocations and one of its durations.
    pub fn add_function(&mut self, function: &Function) {
        let name = function.spec.name;
        self.add_graph(
            format!("{name}: invocations"),
            vec![
                line("invocations", function.metric("Invocations"), SUM),
                line("errors", function.metric("Errors"), SUM),
                line("throttles", function.metric("Throttles"), SUM),
            ],
        );
        self.add_graph(
            format!("{name}: duration"),
            vec![
                line("median", function.metric("Duration"), P50),
                line("p99", function.metric("Duration"), P99),
            ],
        );
    }

    /// Adds a graph of a queue's messages and dead letters.
    pub fn add_queue(&mut self, queue: &Queue) {
        self.add_graph(
            format!("{}: messages", queue.spec.name),
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
        );
    }

    /// Adds a graph of throttled reads and one of throttled writes, with a line for each table.
    pub fn add_tables(&mut self, tables: &[Table]) {
        let throttled = |metric_name| {
            tables
                .iter()
                .map(move |table| line(table.spec.name, table.metric(metric_name), SUM))
                .collect()
        };
        self.add_graph("Reads refused", throttled("ReadThrottleEvents"));
        self.add_graph("Writes refused", throttled("WriteThrottleEvents"));
    }

    /// Adds a graph of any metrics in the stack's region, with a value for each minute.
    pub fn add_graph(&mut self, title: impl Into<String>, metrics: Vec<GraphMetric>) {
        self.graphs.push(Graph {
            title: title.into(),
            region: Pseudo::Region.into(),
            metrics,
            period: PERIOD,
        });
    }

    /// Adds the dashboard to the stack, with the construct's name as its logical id.
    pub fn add(self, stack: &mut Stack, construct: &str) -> Result<(), SynthError> {
        let body = DashboardBody {
            widgets: arrange(self.graphs),
        };
        let body = Sub::json(body).map_err(|cause| SynthError::Json {
            what: "the dashboard",
            cause: cause.to_string(),
        })?;
        let dashboard = cloudwatch::Dashboard {
            dashboard_body: StringValue::Sub(body),
            tags: stack.tags().list(),
        };
        stack.add(&ConstructPath::root(construct), dashboard)?;
        Ok(())
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
