//! Messages on standard error: spinners, progress bars and colours on a terminal, plain lines
//! elsewhere. Standard output is for a command's result.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use anyhow::{Context, bail};
use console::{Style, Term, style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard error, with at most one spinner or progress bar.
#[derive(Debug)]
pub(crate) struct Terminal {
    term: Term,
    bar: Option<ProgressBar>,
    can_ask: bool,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let term = Term::stderr();
        Self {
            can_ask: io::stdin().is_terminal() && term.is_term(),
            bar: None,
            term,
        }
    }

    /// Prints a line, above the spinner or progress bar.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match &self.bar {
            Some(bar) => bar.suspend(|| self.print(text)),
            None => self.print(text),
        }
    }

    fn print(&self, text: &str) {
        // Standard error is closed; there is no other place to report that.
        let _ = self.term.write_line(text);
    }

    /// Shows a spinner until the next call of another method that ends it. Prints nothing without a
    /// terminal.
    pub(crate) fn start(&mut self, what: impl Into<String>) {
        self.finish();
        if !self.term.features().is_attended() {
            return;
        }
        let bar = ProgressBar::new_spinner().with_style(spinner("{spinner:.cyan} {msg}"));
        self.show(bar, what.into());
    }

    /// Shows a progress bar with `total` steps. Prints nothing without a terminal.
    pub(crate) fn start_counting(&mut self, total: usize, what: impl Into<String>) {
        self.finish();
        if !self.term.features().is_attended() {
            return;
        }
        let bar = ProgressBar::new(total as u64).with_style(spinner(
            "{spinner:.cyan} {pos} of {len}, {elapsed}  {wide_msg:.dim}",
        ));
        self.show(bar, what.into());
    }

    fn show(&mut self, bar: ProgressBar, what: String) {
        bar.set_draw_target(ProgressDrawTarget::term(self.term.clone(), 10));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(100));
        self.bar = Some(bar);
    }

    /// Updates the progress bar: `done` steps, and the steps in progress.
    pub(crate) fn progress(&self, done: usize, what: String) {
        if let Some(bar) = &self.bar {
            let done = done as u64;
            // Some emulators of CloudFormation report events of unchanged resources as well.
            bar.set_length(bar.length().unwrap_or_default().max(done));
            bar.set_position(done);
            bar.set_message(what);
        }
    }

    /// Removes the spinner or progress bar.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Removes the spinner or progress bar and prints a success.
    pub(crate) fn done(&mut self, what: impl AsRef<str>) {
        self.finish();
        self.line(format!(
            "{} {}",
            style("✓").green().for_stderr(),
            what.as_ref()
        ));
    }

    /// Prints a warning.
    pub(crate) fn warn(&self, what: impl AsRef<str>) {
        self.line(format!(
            "{} {}",
            style("!").yellow().bold().for_stderr(),
            what.as_ref()
        ));
    }

    /// Asks a question with the answers yes and no. Fails without a terminal; `instead` is the help
    /// for that case.
    pub(crate) async fn confirm(&mut self, question: &str, instead: &str) -> anyhow::Result<bool> {
        let answer = self.ask(&format!("{question} [y/N]"), instead).await?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Fails without a terminal, before a command starts that will ask a question.
    pub(crate) fn require_interactive(&self, what: &str, instead: &str) -> anyhow::Result<()> {
        if !self.can_ask {
            bail!("{what}, and there is no terminal to ask on\n  help: {instead}");
        }
        Ok(())
    }

    /// Asks a question and returns the line that the user types. Fails without a terminal; `instead`
    /// is the help for that case.
    pub(crate) async fn ask(&mut self, question: &str, instead: &str) -> anyhow::Result<String> {
        self.finish();
        self.require_interactive("this needs a confirmation", instead)?;
        let mut term = &self.term;
        write!(term, "\n{} ", style(question).bold().for_stderr())?;
        term.flush()?;
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|_| line)
        });
        let line = line.await?.context("cannot read the answer")?;
        Ok(line.trim().to_owned())
    }
}

/// Colours a difference by its signs.
pub(crate) fn paint(difference: &str) -> String {
    let painted = difference.lines().map(|line| {
        let text = line.trim_start();
        let paint = match text.split(' ').next() {
            Some("+") => Style::new().green(),
            Some("-") => Style::new().red(),
            Some("-/+") => Style::new().red().bold(),
            Some("~") => Style::new().yellow(),
            _ if text.len() == line.len() && !line.contains(' ') => Style::new().bold(),
            _ => Style::new(),
        };
        paint.for_stderr().apply_to(line).to_string()
    });
    painted.collect::<Vec<_>>().join("\n")
}

fn spinner(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
