//! The steps of a walkthrough in the book, from its fenced blocks: a `diff` block changes files, a
//! `console` block holds commands with their output.

/// A step.
#[derive(Debug)]
pub(crate) enum Step {
    Change(Change),
    Run(Run),
}

/// Lines of a file in place of others.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) file: String,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// A command and what it prints, or the telling parts of that.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) command: String,
    pub(crate) printed: Vec<String>,
}

/// The steps of a page, in order.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut blocks = page.split("\n```");
    blocks.next();
    while let (Some(block), Some(_text)) = (blocks.next(), blocks.next()) {
        let (language, block) = block.split_once('\n').unwrap_or_default();
        match language {
            "diff" => steps.extend(changes(block).into_iter().map(Step::Change)),
            "console" => steps.extend(runs(block).into_iter().map(Step::Run)),
            _ => {}
        }
    }
    assert!(!steps.is_empty(), "the page has no steps");
    steps
}

/// Changes, each under the line `+++ file`; `@@` stands between two in one file.
fn changes(block: &str) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    let mut file = "";
    for line in block.lines() {
        if let Some(name) = line.strip_prefix("+++ ") {
            file = name;
        }
        if line.starts_with("+++ ") || line == "@@" {
            changes.push(Change {
                file: file.to_owned(),
                old: String::new(),
                new: String::new(),
            });
            continue;
        }
        let change = changes.last_mut().expect("a line '+++ file' comes first");
        // Editors strip what an empty line of context begins with.
        let (mark, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        if mark != "+" {
            change.old.extend([text, "\n"]);
        }
        if mark != "-" {
            change.new.extend([text, "\n"]);
        }
    }
    changes
}

fn runs(block: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            runs.push(Run {
                command: command.to_owned(),
                printed: Vec::new(),
            });
        } else {
            let run = runs.last_mut().expect("a line '$ command' comes first");
            run.printed.push(line.trim().to_owned());
        }
    }
    runs
}
