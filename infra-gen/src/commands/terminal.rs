//! What people see while something goes on: spinners and colours on a terminal, plain lines
//! elsewhere. It goes to standard error; standard output is for what was asked for.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use anyhow::{Context, bail};
use console::{Style, Term, style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Where people are told what goes on.
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

    /// Prints a line, above whatever is moving.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        match &self.bar {
            Some(bar) => bar.suspend(|| self.print(text)),
            None => self.print(text),
        }
    }

    fn print(&self, text: &str) {
        // There is nobody left to tell if this fails.
        let _ = self.term.write_line(text);
    }

    /// Says what is going on until it is done. Without a terminal, only what was done is said.
    pub(crate) fn start(&mut self, what: impl Into<String>) {
        self.finish();
        if !self.term.features().is_attended() {
            return;
        }
        let bar = ProgressBar::new_spinner().with_style(spinner("{spinner:.cyan} {msg}"));
        self.show(bar, what.into());
    }

    /// The same for something of which some parts can be counted.
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

    /// Says how far it is.
    pub(crate) fn progress(&self, done: usize, what: String) {
        if let Some(bar) = &self.bar {
            let done = done as u64;
            // Some stand-ins for CloudFormation tell of what is not changed too.
            bar.set_length(bar.length().unwrap_or_default().max(done));
            bar.set_position(done);
            bar.set_message(what);
        }
    }

    /// Ends what is going on without a word.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Says what was done.
    pub(crate) fn done(&mut self, what: impl AsRef<str>) {
        self.finish();
        self.line(format!(
            "{} {}",
            style("✓").green().for_stderr(),
            what.as_ref()
        ));
    }

    /// Says what should be looked at.
    pub(crate) fn warn(&self, what: impl AsRef<str>) {
        self.line(format!(
            "{} {}",
            style("!").yellow().bold().for_stderr(),
            what.as_ref()
        ));
    }

    /// Asks a question that is answered with yes or no, if anyone can be asked.
    pub(crate) async fn confirm(&mut self, question: &str, instead: &str) -> anyhow::Result<bool> {
        let answer = self.ask(&format!("{question} [y/N]"), instead).await?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Refuses to begin what will ask a question, if there is no terminal to ask it on.
    pub(crate) fn require(&self, what_asks: &str, instead: &str) -> anyhow::Result<()> {
        if !self.can_ask {
            bail!("{what_asks}, and there is no terminal to ask on\n  what to do: {instead}");
        }
        Ok(())
    }

    /// Asks a question, if there is a terminal. `instead` is what to do if not.
    pub(crate) async fn ask(&mut self, question: &str, instead: &str) -> anyhow::Result<String> {
        self.finish();
        self.require("this needs a confirmation", instead)?;
        let mut term = &self.term;
        write!(term, "\n{} ", style(question).bold().for_stderr())?;
        term.flush()?;
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            io::stdin().read_line(&mut line).map(|_| line)
        });
        let line = line.await?.context("the answer cannot be read")?;
        Ok(line.trim().to_owned())
    }
}

/// A difference, with its marks in colour.
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
