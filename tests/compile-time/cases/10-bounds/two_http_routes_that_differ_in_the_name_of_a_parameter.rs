//! API Gateway does not distinguish paths by the names of their parameters.

typed_contract::http_routes! {
    /// The routes of charts.
    pub enum ChartRoute {
        /// Returns a chart.
        GetChart = Get "/v1/charts/{chart_id}",
        /// Returns a chart by its name.
        GetChartByName = Get "/v1/charts/{name}",
    }
}

fn main() {}
