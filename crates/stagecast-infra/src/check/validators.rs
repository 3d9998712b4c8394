//! Runs external validators on the templates: cfn-lint and cloudformation-validate.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    process::{Command, Output},
};

use serde::Deserialize;

use super::finding::{Finding, Severity};

/// An external validator of templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validator {
    /// <https://github.com/aws-cloudformation/cfn-lint>
    CfnLint,
    /// <https://github.com/aws-cloudformation/cloudformation-validate>
    CloudformationValidate,
}

/// A Python program that runs the validator, whose package is a library.
const RUN_CLOUDFORMATION_VALIDATE: &str = include_str!("run_cloudformation_validate.py");

/// The versions that CI installs, and to which the accepted findings apply.
const PINNED: &str = include_str!("../../validators.txt");

/// A Python program that prints the version of the package that its argument names.
const PRINT_VERSION: &str =
    "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";

/// The findings that are accepted, with reasons.
const ACCEPTED: &str = include_str!("../../findings.yaml");

/// Why a validator has no result.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    /// The program cannot be started.
    #[error("{program} cannot be started: {cause}")]
    Start {
        /// The program.
        program: &'static str,
        /// The cause.
        cause: io::Error,
    },
    /// The output is not a list of findings.
    #[error("the output of {validator} is not a list of findings ({cause}): {output}", validator = .validator.name())]
    Answer {
        /// The validator.
        validator: Validator,
        /// The cause.
        cause: serde_json::Error,
        /// The standard error and standard output of the validator.
        output: String,
    },
    /// The list of accepted findings cannot be read.
    #[error("crates/stagecast-infra/findings.yaml cannot be read: {0}")]
    Accepted(#[from] serde_yaml::Error),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    validator: Validator,
    rule: String,
    reason: String,
}

/// A finding of a validator.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ValidatorMessage {
    validator: Validator,
    rule: String,
    sentence: String,
}

impl Validator {
    /// Every validator.
    pub const ALL: [Self; 2] = [Self::CfnLint, Self::CloudformationValidate];

    /// The name of the validator and of its Python package.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CfnLint => "cfn-lint",
            Self::CloudformationValidate => "cloudformation-validate",
        }
    }

    /// The version to which the accepted findings apply. An older version reports newer properties as
    /// mistakes.
    fn pinned_version(self) -> &'static str {
        let mut lines = PINNED.lines();
        let version = lines.find_map(|line| line.strip_prefix(self.name())?.strip_prefix("=="));
        version.unwrap_or_default().trim()
    }

    /// The command that installs the pinned version.
    fn install_command(self) -> String {
        format!("`pip install {}=={}`", self.name(), self.pinned_version())
    }

    /// The installed version. None if the validator is not installed.
    fn installed_version(self) -> Result<Option<String>, ValidatorError> {
        let (program, mut command) = match self {
            Self::CfnLint => {
                let mut command = Command::new("cfn-lint");
                command.arg("--version");
                ("cfn-lint", command)
            }
            Self::CloudformationValidate => {
                let mut command = Command::new("python3");
                command.args(["-c", PRINT_VERSION, self.name()]);
                ("python3", command)
            }
        };
        let output = run(program, &mut command)?.filter(|output| output.status.success());
        // `cfn-lint 1.58.0`, or the version alone.
        Ok(output.and_then(|output| {
            let printed = String::from_utf8_lossy(&output.stdout);
            printed.split_whitespace().last().map(str::to_owned)
        }))
    }

    /// The subject of a finding: the validator and its rule.
    fn rule(self, rule: &str) -> String {
        format!("{} {rule}", self.name())
    }

    /// Validates templates. None if the validator is not installed.
    fn validate(
        self,
        templates: &[PathBuf],
    ) -> Result<Option<Vec<ValidatorMessage>>, ValidatorError> {
        match self {
            Self::CfnLint => {
                let mut command = Command::new("cfn-lint");
                command.args(["--format", "json", "--include-checks", "I", "--"]);
                let Some(output) = run("cfn-lint", command.args(templates))? else {
                    return Ok(None);
                };
                let matches: Vec<LintMatch> = self.parse(&output)?;
                Ok(Some(
                    matches.into_iter().map(LintMatch::into_message).collect(),
                ))
            }
            Self::CloudformationValidate => {
                let mut command = Command::new("python3");
                command.args(["-c", RUN_CLOUDFORMATION_VALIDATE]);
                let Some(output) = run("python3", command.args(templates))? else {
                    return Ok(None);
                };
                if String::from_utf8_lossy(&output.stderr).contains("ModuleNotFoundError") {
                    return Ok(None);
                }
                let diagnostics: Vec<Diagnostic> = self.parse(&output)?;
                Ok(Some(
                    diagnostics
                        .into_iter()
                        .map(Diagnostic::into_message)
                        .collect(),
                ))
            }
        }
    }

    fn parse<T: for<'de> Deserialize<'de>>(self, output: &Output) -> Result<T, ValidatorError> {
        serde_json::from_slice(&output.stdout).map_err(|cause| ValidatorError::Answer {
            validator: self,
            cause,
            output: [&output.stderr[..], &output.stdout[..]]
                .map(String::from_utf8_lossy)
                .concat(),
        })
    }
}

/// Runs a program. None if it is not installed.
fn run(program: &'static str, command: &mut Command) -> Result<Option<Output>, ValidatorError> {
    match command.output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ValidatorError::Start { program, cause }),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LintMatch {
    filename: String,
    message: String,
    rule: LintRule,
    location: LintLocation,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LintRule {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LintLocation {
    start: LintStart,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LintStart {
    line_number: u64,
}

impl LintMatch {
    fn into_message(self) -> ValidatorMessage {
        ValidatorMessage {
            validator: Validator::CfnLint,
            rule: self.rule.id,
            sentence: format!(
                "{}:{}: {}",
                self.filename, self.location.start.line_number, self.message
            ),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    file: String,
    rule: String,
    construct: Option<String>,
    message: String,
}

impl Diagnostic {
    fn into_message(self) -> ValidatorMessage {
        let construct = self.construct.unwrap_or_else(|| "the template".to_owned());
        ValidatorMessage {
            validator: Validator::CloudformationValidate,
            rule: self.rule,
            sentence: format!("{}: {construct}: {}", self.file, self.message),
        }
    }
}

/// The findings of all validators.
#[derive(Debug)]
pub struct Answers {
    messages: Vec<ValidatorMessage>,
    /// The validators that have run.
    completed: BTreeSet<Validator>,
    /// The installed versions of validators that are not installed in their pinned version.
    other_versions: BTreeMap<Validator, String>,
    accepted: Vec<Accepted>,
}

impl Answers {
    /// Runs every validator that is installed in its pinned version.
    pub fn about(templates: &[PathBuf]) -> Result<Self, ValidatorError> {
        let mut answers = Self {
            messages: Vec::new(),
            completed: BTreeSet::new(),
            other_versions: BTreeMap::new(),
            accepted: serde_yaml::from_str(ACCEPTED)?,
        };
        for validator in Validator::ALL {
            let installed = validator.installed_version()?;
            if let Some(version) = installed.filter(|it| it != validator.pinned_version()) {
                answers.other_versions.insert(validator, version);
                continue;
            }
            if let Some(messages) = validator.validate(templates)? {
                answers.completed.insert(validator);
                answers.messages.extend(messages);
            }
        }
        Ok(answers)
    }

    /// The problems, then the accepted findings as notes.
    pub fn findings(&self) -> Vec<Finding> {
        let problems = self
            .messages
            .iter()
            .filter(|message| !self.accepted.iter().any(|entry| entry.accepts(message)))
            .map(|message| {
                Finding::problem(message.validator.rule(&message.rule), &message.sentence)
            });
        let accepted = self.accepted.iter().filter_map(|entry| {
            let times = self.count(entry);
            (times > 0).then(|| {
                let sentence = format!("accepted {times} times: {}", entry.reason);
                Finding::note(entry.validator.rule(&entry.rule), sentence)
            })
        });
        problems.chain(accepted).collect()
    }

    /// The validators that have not run, as findings of a severity.
    pub fn absent(&self, severity: Severity) -> impl Iterator<Item = Finding> {
        Validator::ALL
            .into_iter()
            .filter(|validator| !self.completed.contains(validator))
            .map(move |validator| {
                let install = validator.install_command();
                let sentence = match self.other_versions.get(&validator) {
                    Some(version) => format!(
                        "not run, because version {version} is installed and the accepted findings apply to \
                         {}; install that version with {install}",
                        validator.pinned_version()
                    ),
                    None => format!("not run, because it is not installed; install it with {install}"),
                };
                Finding {
                    severity,
                    subject: validator.name().to_owned(),
                    sentence,
                }
            })
    }

    /// Accepted findings that no validator reports. Meaningful only if all templates were validated.
    pub fn outdated(&self) -> Vec<Finding> {
        self.accepted
            .iter()
            .filter(|entry| self.completed.contains(&entry.validator) && self.count(entry) == 0)
            .map(|entry| {
                Finding::problem(
                    entry.validator.rule(&entry.rule),
                    "no finding matches this entry: remove it from crates/stagecast-infra/findings.yaml",
                )
            })
            .collect()
    }

    fn count(&self, entry: &Accepted) -> usize {
        let messages = self.messages.iter();
        messages.filter(|message| entry.accepts(message)).count()
    }
}

impl Accepted {
    fn accepts(&self, message: &ValidatorMessage) -> bool {
        self.validator == message.validator && self.rule == message.rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(rules: &[&str], accepted: &[&str]) -> Answers {
        let validator = Validator::CfnLint;
        Answers {
            messages: rules
                .iter()
                .map(|rule| ValidatorMessage {
                    validator,
                    rule: (*rule).to_owned(),
                    sentence: "template.yaml:1: something".to_owned(),
                })
                .collect(),
            completed: BTreeSet::from([validator]),
            other_versions: BTreeMap::new(),
            accepted: accepted
                .iter()
                .map(|rule| Accepted {
                    validator,
                    rule: (*rule).to_owned(),
                    reason: "so".to_owned(),
                })
                .collect(),
        }
    }

    fn lines(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn accepted_finding_is_a_note_and_others_are_problems() {
        assert_eq!(
            lines(&answers(&["W1", "E2", "W1"], &["W1"]).findings()),
            [
                "problem: cfn-lint E2: template.yaml:1: something",
                "note: cfn-lint W1: accepted 2 times: so",
            ]
        );
    }

    #[test]
    fn missing_validator_has_the_given_severity() {
        let absent = |severity| lines(&answers(&[], &[]).absent(severity).collect::<Vec<_>>());
        let sentence = format!(
            "cloudformation-validate: not run, because it is not installed; install it with `pip install \
             cloudformation-validate=={}`",
            Validator::CloudformationValidate.pinned_version()
        );
        assert_eq!(absent(Severity::Note), [format!("note: {sentence}")]);
        assert_eq!(absent(Severity::Problem), [format!("problem: {sentence}")]);
    }

    #[test]
    fn every_validator_has_a_pinned_version() {
        for validator in Validator::ALL {
            let version = validator.pinned_version();
            assert!(
                version.starts_with(|first: char| first.is_ascii_digit()),
                "{version}"
            );
        }
    }

    #[test]
    fn unmatched_accepted_finding_is_outdated_if_the_validator_ran() {
        let mut answers = answers(&["W1"], &["W1", "W2"]);
        assert_eq!(
            lines(&answers.outdated()),
            [
                "problem: cfn-lint W2: no finding matches this entry: remove it from \
                 crates/stagecast-infra/findings.yaml"
            ]
        );
        answers.completed.clear();
        assert_eq!(answers.outdated(), []);
    }

    #[test]
    fn accepted_findings_are_valid_and_have_reasons() {
        let accepted: Vec<Accepted> = serde_yaml::from_str(ACCEPTED).expect("a list");
        assert!(accepted.iter().all(|entry| entry.reason.len() > 20));
    }
}
