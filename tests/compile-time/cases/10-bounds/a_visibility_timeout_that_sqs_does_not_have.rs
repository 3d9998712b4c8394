//! SQS hides a message for at most 12 hours.

typed_contract::queue! {
    /// Charts that wait to be drawn.
    ChartQueue = "charts" in "CHARTS_QUEUE_URL" {
        message: String,
        visibility_timeout_seconds: 54000,
        max_receives: 5,
    }
}

fn main() {}
