//! Adds up the amounts of a CSV file by customer, in three stages, with a progress line on the terminal:
//! `cargo run -p stage-pipeline --example csv_totals -- orders.csv`.
//!
//! The first line of the file names the columns, two of which are `customer` and `amount`; fields are
//! not quoted. Without a file, the example makes up two million orders. Control-C cancels the job.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use serde::{Deserialize, Serialize};
use stage_pipeline::{
    CancellationToken, JobInput, Pipeline, Progress, ProgressUpdate, RunError, Stage, StageError,
};
use tokio::io::AsyncBufReadExt as _;

/// Rows between two reports, and two checks for a cancellation.
const ROWS_PER_REPORT: usize = 10_000;

/// Checks the file, and finds the columns.
struct Check;

/// Adds up the amounts of each customer.
struct AddUp;

/// Sorts the totals.
struct Rank {
    limit: usize,
}

/// The positions of the columns, and the number of rows.
#[derive(Debug, Serialize, Deserialize)]
struct Layout {
    customer: usize,
    amount: usize,
    rows: usize,
}

/// The sum of a customer's amounts, in cents.
#[derive(Debug, Serialize, Deserialize)]
struct Total {
    customer: String,
    cents: i64,
}

impl Stage for Check {
    type Input = ();
    type Output = Layout;
    const NAME: &'static str = "check";

    async fn run(&self, job: JobInput, (): (), progress: &Progress) -> Result<Layout, StageError> {
        progress.report(0, "Reading the columns...");
        let mut lines = job.reader().lines();
        let header = lines
            .next_line()
            .await
            .map_err(no_text)?
            .unwrap_or_default();
        let header: Vec<_> = header.split(',').collect();
        let column = |name: &str| {
            let found = header.iter().position(|it| it.trim() == name);
            found.ok_or_else(|| {
                let message = format!("there is no column '{name}'; name it in the first line");
                StageError::failed("no_column", message)
            })
        };
        let mut layout = Layout {
            customer: column("customer")?,
            amount: column("amount")?,
            rows: 0,
        };
        while lines.next_line().await.map_err(no_text)?.is_some() {
            layout.rows += 1;
        }
        Ok(layout)
    }
}

impl Stage for AddUp {
    type Input = Layout;
    type Output = BTreeMap<String, i64>;
    const NAME: &'static str = "add_up";
    const WEIGHT: u32 = 8; // of 10: most of the time is spent here

    async fn run(
        &self,
        job: JobInput,
        layout: Layout,
        progress: &Progress,
    ) -> Result<BTreeMap<String, i64>, StageError> {
        let mut totals = BTreeMap::new();
        let mut lines = job.reader().lines();
        lines.next_line().await.map_err(no_text)?;
        for row in 0..layout.rows {
            let line = lines
                .next_line()
                .await
                .map_err(no_text)?
                .unwrap_or_default();
            if row % ROWS_PER_REPORT == 0 {
                progress.check_cancelled()?;
                progress.report_count(row as u64, layout.rows as u64, "rows", "Adding up...");
            }
            let fields: Vec<_> = line.split(',').collect();
            let field = |index: usize| fields.get(index).copied().unwrap_or_default().trim();
            let amount = field(layout.amount);
            let cents = cents(amount).ok_or_else(|| {
                let line = row + 2;
                let message = format!("line {line}: '{amount}' is not an amount like 12.50");
                StageError::failed("no_amount", message)
            })?;
            let customer = field(layout.customer);
            if let Some(total) = totals.get_mut(customer) {
                *total += cents;
            } else {
                totals.insert(customer.to_owned(), cents);
            }
        }
        Ok(totals)
    }
}

impl Stage for Rank {
    type Input = BTreeMap<String, i64>;
    type Output = Vec<Total>;
    const NAME: &'static str = "rank";

    async fn run(
        &self,
        _: JobInput,
        totals: BTreeMap<String, i64>,
        _: &Progress,
    ) -> Result<Vec<Total>, StageError> {
        let totals = totals.into_iter();
        let mut totals: Vec<_> = totals
            .map(|(customer, cents)| Total { customer, cents })
            .collect();
        totals.sort_by_key(|total| std::cmp::Reverse(total.cents));
        totals.truncate(self.limit);
        Ok(totals)
    }
}

/// The error of a line that is not UTF-8, or could not be read.
fn no_text(error: io::Error) -> StageError {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            StageError::failed("no_text", format!("save the file as UTF-8: {error}"))
        }
        _ => error.into(),
    }
}

/// `12.5` as 1250.
fn cents(amount: &str) -> Option<i64> {
    let (whole, part) = amount.split_once('.').unwrap_or((amount, "0"));
    if part.len() > 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: i64 = format!("{part:0<2}").parse().ok()?;
    let cents = whole.parse::<i64>().ok()?.checked_mul(100)?;
    cents.checked_add(if whole.starts_with('-') { -part } else { part })
}

/// Two million orders of a hundred customers.
fn sample() -> String {
    let mut text = "order,customer,amount\n".to_owned();
    for order in 0..2_000_000_u32 {
        let amount = order.wrapping_mul(2_654_435_761) >> 16;
        let customer = amount % 100;
        let _ = writeln!(
            text,
            "{order},customer {customer},{}.{:02}",
            amount / 100,
            amount % 100
        );
    }
    text
}

/// Overwrites the progress line of a terminal; prints lines elsewhere.
fn show(update: &ProgressUpdate) {
    let remaining = update.remaining_seconds;
    let remaining = remaining.map_or(String::new(), |seconds| format!(", {seconds} s left"));
    let line = format!(
        "{:>3}% {}{remaining}",
        update.overall_percent, update.message
    );
    let mut terminal = io::stderr().lock();
    let _ = if terminal.is_terminal() {
        write!(terminal, "\r\x1b[2K{line}").and_then(|()| terminal.flush())
    } else {
        writeln!(terminal, "{line}")
    };
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let orders = match env::args().nth(1) {
        Some(path) => JobInput::from_file("csv-totals", path, "text/csv"),
        None => JobInput::new("csv-totals", sample(), "text/csv"),
    };
    let token = CancellationToken::new();
    let on_control_c = token.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_control_c.cancel();
        }
    });

    let pipeline = Pipeline::new()
        .then(Check)
        .then(AddUp)
        .then(Rank { limit: 10 });
    let totals = pipeline
        .run(orders)
        .on_progress(show)
        .cancel_with(token)
        .await;
    if io::stderr().is_terminal() {
        writeln!(io::stderr())?;
    }
    match totals {
        Ok(totals) => {
            let mut output = io::stdout().lock();
            for Total { customer, cents } in totals {
                writeln!(output, "{:>14}.{:02} {customer}", cents / 100, cents % 100)?;
            }
            Ok(())
        }
        Err(error @ RunError::Cancelled { .. }) => {
            Err(format!("{error}; nothing was added up").into())
        }
        Err(error) => Err(error.into()),
    }
}
