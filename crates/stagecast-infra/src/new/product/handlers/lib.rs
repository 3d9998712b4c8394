//! The stages of a job: the rows of a CSV file are validated, added up by group, and sorted.

use std::{cmp::Reverse, collections::BTreeMap};

use contract::PipelineFunction;
use serde::{Deserialize, Serialize};
use stagecast::{JobInput, Pipeline, Progress, Stage, StageError};

/// The pipeline: each stage's output is the next one's input.
pub fn pipeline() -> Pipeline<Report, PipelineFunction> {
    Pipeline::with_limit()
        .then(Validate)
        .then(Aggregate)
        .then(Sort)
}

/// Reads the rows `group,amount` below a header line.
pub struct Validate;
/// Adds up the amounts of each group.
pub struct Aggregate;
/// Sorts the groups, the largest amount first.
pub struct Sort;

/// A row of the file, or the sum of a group.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub group: String,
    pub amount: i64,
}

/// The results of a job.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub groups: Vec<Row>,
    pub total: i64,
}

impl Stage for Validate {
    type Input = ();
    type Output = Vec<Row>;
    const NAME: &'static str = "validate";

    async fn run(
        &self,
        job: JobInput,
        (): (),
        progress: &Progress,
    ) -> Result<Vec<Row>, StageError> {
        let bytes = job.bytes().await?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            StageError::failed("not_utf8", format!("save the file as UTF-8: {error}"))
        })?;
        let lines: Vec<_> = text.lines().collect();
        let mut rows = Vec::new();
        for (index, line) in lines.iter().enumerate().skip(1) {
            progress.check_cancelled()?;
            progress.report(percent(index, lines.len()), "Validating the rows...");
            rows.push(row(line).ok_or_else(|| {
                let number = index + 1;
                let message = format!("line {number} is '{line}'; write GROUP,WHOLE NUMBER");
                StageError::failed("invalid_row", message)
            })?);
        }
        Ok(rows)
    }
}

impl Stage for Aggregate {
    type Input = Vec<Row>;
    type Output = BTreeMap<String, i64>;
    const NAME: &'static str = "aggregate";
    const WEIGHT: u32 = 2; // it takes about twice as long as each of the others

    async fn run(
        &self,
        _: JobInput,
        rows: Vec<Row>,
        progress: &Progress,
    ) -> Result<Self::Output, StageError> {
        let count = rows.len();
        let mut sums = BTreeMap::new();
        for (index, row) in rows.into_iter().enumerate() {
            progress.check_cancelled()?;
            progress.report(percent(index, count), "Adding up the amounts...");
            *sums.entry(row.group).or_default() += row.amount;
        }
        Ok(sums)
    }
}

impl Stage for Sort {
    type Input = BTreeMap<String, i64>;
    type Output = Report;
    const NAME: &'static str = "sort";

    async fn run(
        &self,
        _: JobInput,
        sums: Self::Input,
        _: &Progress,
    ) -> Result<Report, StageError> {
        let total = sums.values().sum();
        let rows = sums
            .into_iter()
            .map(|(group, amount)| Row { group, amount });
        let mut groups: Vec<_> = rows.collect();
        groups.sort_by_key(|row| Reverse(row.amount));
        Ok(Report { groups, total })
    }
}

fn row(line: &str) -> Option<Row> {
    let (group, amount) = line.split_once(',')?;
    let amount: i32 = amount.trim().parse().ok()?;
    Some(Row {
        group: group.trim().to_owned(),
        amount: amount.into(),
    })
}

fn percent(done: usize, all: usize) -> u8 {
    u8::try_from(100 * done / all.max(1)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &'static str) -> Result<Report, String> {
        let job = JobInput::new("job-1", text, "text/csv");
        pipeline()
            .run(job)
            .wait()
            .map_err(|error| error.to_string())
    }

    #[test]
    fn amounts_are_added_up_by_group() {
        let report = run("group,amount\na,1\nb,5\na,2\n").expect("a valid file");
        assert_eq!(report.total, 8);
        assert_eq!(
            report.groups[0],
            Row {
                group: "b".to_owned(),
                amount: 5
            }
        );
    }

    #[test]
    fn invalid_row_is_named() {
        let error = run("group,amount\na,1\nb,many\n").expect_err("the third line is invalid");
        assert!(error.contains("line 3 is 'b,many'"), "{error}");
    }
}
