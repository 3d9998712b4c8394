//! Compares estimators of the remaining time on traces of progress, and prints a table in Markdown:
//! `cargo run -p bench-remaining-time`. With `-- --check`, fails if the table in the documentation is
//! another one, or `Estimate` is not better than both others in each class.
//!
//! No clock is read, so the numbers are the same on each machine.

mod estimators;
mod random;
mod score;
mod table;
mod traces;

use std::process::ExitCode;

use estimators::{Estimator, Linear, Ours, Tqdm, learn};
use random::Random;
use score::{Score, mean, show};
use stage_pipeline::StageHistory;
use table::{Row, render};
use traces::{Class, PipelineModel, Trace, recorded};

/// Pipelines of each class, each with one scored job.
const PIPELINES: u64 = 200;
/// Jobs of the pipeline that the history is learned from.
const EARLIER_JOBS: usize = 20;
/// The seeds below this one were used to choose the constants of the estimate.
const FIRST_SEED: u64 = 10_000;

const RECORDED: &[(&str, &str)] = &[
    (
        "recorded: CSV, 6 million rows",
        include_str!("../recorded/csv_small.csv"),
    ),
    (
        "recorded: CSV, 15 million rows",
        include_str!("../recorded/csv_large.csv"),
    ),
];

const PAGE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/benchmarks/remaining-time.md"
);

/// Linear, tqdm, ours without history and ours with it.
type Scores = [Score; 4];

fn compare(trace: &Trace, histories: Vec<StageHistory>) -> Scores {
    let without = vec![StageHistory::default(); trace.stages.len()];
    let estimators: [&mut dyn Estimator; 4] = [
        &mut Linear::default(),
        &mut Tqdm::default(),
        &mut Ours::new(trace, without),
        &mut Ours::new(trace, histories),
    ];
    let shown = estimators.map(|estimator| show(trace, estimator));
    // An estimator that is silent when it is hard would have a lower error. So errors count at the seconds
    // at which all have a value.
    let all_known = |index: usize| shown.iter().all(|shown| shown.seconds[index].1.is_some());
    shown.each_ref().map(|shown| shown.score(all_known))
}

fn generated(class: Class) -> Vec<Scores> {
    (FIRST_SEED..FIRST_SEED + PIPELINES)
        .map(|seed| {
            let mut random = Random::new(seed * 7 + class as u64 * 1_000_003);
            let pipeline = PipelineModel::any(class, &mut random);
            let jobs = (0..EARLIER_JOBS).map(|_| pipeline.job(&mut random));
            let histories = learn(&jobs.collect::<Vec<_>>());
            compare(&pipeline.job(&mut random), histories)
        })
        .collect()
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (class, name) in Class::ALL {
        let scores = generated(class);
        rows.push(Row {
            name,
            scores: std::array::from_fn(|index| mean(scores.iter().map(|scores| scores[index]))),
            is_generated: true,
        });
    }
    let traces: Vec<Trace> = RECORDED.iter().map(|(_, text)| recorded(text)).collect();
    for (index, (name, _)) in RECORDED.iter().enumerate() {
        // The history of the job is the other one.
        let others = traces
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let histories = learn(others.map(|(_, trace)| trace));
        rows.push(Row {
            name,
            scores: compare(&traces[index], histories),
            is_generated: false,
        });
    }
    rows
}

#[expect(
    clippy::print_stdout,
    reason = "the table is the output of the program"
)]
fn main() -> ExitCode {
    let rows = rows();
    let table = render(&rows);
    if !std::env::args().any(|argument| argument == "--check") {
        print!("{table}");
        return ExitCode::SUCCESS;
    }
    let mut is_valid = true;
    for row in rows.iter().filter(|row| row.is_generated) {
        for problem in row.problems() {
            eprintln!("{problem}");
            is_valid = false;
        }
    }
    let page = std::fs::read_to_string(PAGE).unwrap_or_default();
    if !page.contains(&table) {
        eprintln!("{PAGE} has another table; replace it by this one:\n\n{table}");
        is_valid = false;
    }
    if is_valid {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
