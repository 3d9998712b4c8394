//! The table of the documentation.

use std::fmt::Write as _;

use crate::score::Score;

const ESTIMATORS: [&str; 4] = ["linear", "tqdm", "Stagecast", "Stagecast with history"];

/// A column of the result.
type Measure = fn(&Score) -> f64;

/// The scores of a class of traces.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Of each of [`ESTIMATORS`].
    pub(crate) scores: [Score; 4],
    pub(crate) is_generated: bool,
}

impl Row {
    /// Where ours is not better than both others.
    pub(crate) fn problems(&self) -> Vec<String> {
        let [others @ .., ours, with_history] = &self.scores;
        let mut problems = Vec::new();
        for (name, ours) in ESTIMATORS[2..].iter().zip([ours, with_history]) {
            for (other, score) in ESTIMATORS.iter().zip(others) {
                if ours.error >= score.error {
                    problems.push(format!(
                        "{}: the error of {name} is not below {other}",
                        self.name
                    ));
                }
                if ours.jumps >= score.jumps {
                    problems.push(format!(
                        "{}: the jumps of {name} are not below {other}",
                        self.name
                    ));
                }
            }
        }
        problems
    }
}

/// The table in Markdown.
pub(crate) fn render(rows: &[Row]) -> String {
    let mut table = String::from("| traces | measure |");
    for name in ESTIMATORS {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n| --- | --- | ---: | ---: | ---: | ---: |\n");
    for row in rows {
        let measures: [(&str, Measure); 3] = [
            ("error", |score| score.error),
            ("jumps", |score| score.jumps),
            ("shown", |score| score.shown),
        ];
        for (index, (measure, of)) in measures.into_iter().enumerate() {
            let name = if index == 0 { row.name } else { "" };
            let _ = write!(table, "| {name} | {measure} |");
            for score in &row.scores {
                let _ = write!(table, " {:.1} % |", of(score) * 100.0);
            }
            table.push('\n');
        }
    }
    table
}
