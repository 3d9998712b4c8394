//! Parses the steps of a walkthrough from its fenced blocks: a `diff` block changes files, a `console`
//! block has commands with their output.

/// A step of a walkthrough.
#[derive(Debug)]
pub(crate) enum Step {
    Change(Change),
    Run(Run),
}

/// Replaces lines of a file.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) file: String,
    pub(crate) old: String,
    pub(crate) new: String,
}

/// A command with its output, or the relevant parts of it.
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

/// Parses changes. Each file starts with a line `+++ file`, and `@@` separates two changes of a file.
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
        // Editors strip the space at the start of an empty context line.
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
