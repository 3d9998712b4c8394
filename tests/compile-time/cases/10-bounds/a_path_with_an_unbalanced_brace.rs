//! API Gateway refuses a path whose parameter is not closed.

typed_contract::http_routes! {
    /// The routes of charts.
    pub enum ChartRoute {
        /// Returns a chart.
        GetChart = Get "/v1/charts/{chart_id",
    }
}

fn main() {}
