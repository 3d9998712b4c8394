//! Asking other programs what they think of the templates: cfn-lint and cloudformation-validate.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::PathBuf,
    process::{Command, Output},
};

use serde::Deserialize;

use super::{Finding, Severity};

/// A program that validates templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validator {
    /// <https://github.com/aws-cloudformation/cfn-lint>
    CfnLint,
    /// <https://github.com/aws-cloudformation/cloudformation-validate>
    CloudformationValidate,
}

/// The package is a library, so this is how it is asked.
const ASK_CLOUDFORMATION_VALIDATE: &str = include_str!("ask_cloudformation_validate.py");

/// The versions that CI installs, and that the list of accepted findings is for.
const PINNED: &str = include_str!("../../validators.txt");

/// Prints the version of a package of Python, as its argument names it.
const ASK_VERSION: &str =
    "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))";

/// What we leave as it is, with the reasons.
const ACCEPTED: &str = include_str!("../../findings.yaml");

/// Why a validator has not answered.
#[derive(Debug, thiserror::Error)]
pub enum ValidatorError {
    /// It could not be started.
    #[error("{program} cannot be started: {cause}")]
    Start {
        /// What was to be started.
        program: &'static str,
        /// Why it could not be.
        cause: io::Error,
    },
    /// It has said something that is no list of findings.
    #[error("{validator} has not answered with findings ({cause}); it says: {output}", validator = .validator.name())]
    Answer {
        /// Who was asked.
        validator: Validator,
        /// What is wrong with the answer.
        cause: serde_json::Error,
        /// What it printed.
        output: String,
    },
    /// The list of accepted findings cannot be read.
    #[error("infra-gen/findings.yaml cannot be read: {0}")]
    Accepted(#[from] serde_yaml::Error),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    validator: Validator,
    rule: String,
    reason: String,
}

/// What a validator says of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ValidatorMessage {
    validator: Validator,
    rule: String,
    sentence: String,
}

impl Validator {
    /// Every validator.
    pub const ALL: [Self; 2] = [Self::CfnLint, Self::CloudformationValidate];

    /// The validator's name, which is its package's too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CfnLint => "cfn-lint",
            Self::CloudformationValidate => "cloudformation-validate",
        }
    }

    /// The version whose findings are known here. Another one knows other properties, and takes those
    /// that are newer than it for mistakes.
    fn pinned_version(self) -> &'static str {
        let mut lines = PINNED.lines();
        let version = lines.find_map(|line| line.strip_prefix(self.name())?.strip_prefix("=="));
        version.unwrap_or_default().trim()
    }

    /// How to get it.
    fn install_command(self) -> String {
        format!("`pip install {}=={}`", self.name(), self.pinned_version())
    }

    /// The version that is installed, if any is.
    fn installed_version(self) -> Result<Option<String>, ValidatorError> {
        let (program, mut command) = match self {
            Self::CfnLint => {
                let mut command = Command::new("cfn-lint");
                command.arg("--version");
                ("cfn-lint", command)
            }
            Self::CloudformationValidate => {
                let mut command = Command::new("python3");
                command.args(["-c", ASK_VERSION, self.name()]);
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

    /// One of its rules, as findings name it.
    fn rule(self, rule: &str) -> String {
        format!("{} {rule}", self.name())
    }

    /// Asks about templates. None if the validator is not installed.
    fn ask(self, templates: &[PathBuf]) -> Result<Option<Vec<ValidatorMessage>>, ValidatorError> {
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
                command.args(["-c", ASK_CLOUDFORMATION_VALIDATE]);
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

/// Runs a program. None if there is no such program.
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

/// What the validators have said.
#[derive(Debug)]
pub struct Answers {
    said: Vec<ValidatorMessage>,
    asked: BTreeSet<Validator>,
    /// The versions of those that are installed, and not in the version that is known here.
    other_versions: BTreeMap<Validator, String>,
    accepted: Vec<Accepted>,
}

impl Answers {
    /// Asks every validator about these templates that is installed in the version that is known.
    pub fn about(templates: &[PathBuf]) -> Result<Self, ValidatorError> {
        let mut answers = Self {
            said: Vec::new(),
            asked: BTreeSet::new(),
            other_versions: BTreeMap::new(),
            accepted: serde_yaml::from_str(ACCEPTED)?,
        };
        for validator in Validator::ALL {
            let installed = validator.installed_version()?;
            if let Some(version) = installed.filter(|it| it != validator.pinned_version()) {
                answers.other_versions.insert(validator, version);
                continue;
            }
            if let Some(said) = validator.ask(templates)? {
                answers.asked.insert(validator);
                answers.said.extend(said);
            }
        }
        Ok(answers)
    }

    /// What must be mended, then what is accepted.
    pub fn findings(&self) -> Vec<Finding> {
        let problems = self
            .said
            .iter()
            .filter(|said| !self.accepted.iter().any(|entry| entry.accepts(said)))
            .map(|said| Finding::problem(said.validator.rule(&said.rule), &said.sentence));
        let accepted = self.accepted.iter().filter_map(|entry| {
            let times = self.times(entry);
            (times > 0).then(|| {
                let sentence = format!("accepted {times} times: {}", entry.reason);
                Finding::note(entry.validator.rule(&entry.rule), sentence)
            })
        });
        problems.chain(accepted).collect()
    }

    /// Who could not be asked, and how grave that is.
    pub fn absent(&self, severity: Severity) -> impl Iterator<Item = Finding> {
        Validator::ALL
            .into_iter()
            .filter(|validator| !self.asked.contains(validator))
            .map(move |validator| {
                let install = validator.install_command();
                let sentence = match self.other_versions.get(&validator) {
                    Some(version) => format!(
                        "version {version} is installed, and the accepted findings are those of {}, so \
                         it was not asked; get that one with {install}",
                        validator.pinned_version()
                    ),
                    None => format!("not installed, so not asked; get it with {install}"),
                };
                Finding {
                    severity,
                    subject: validator.name().to_owned(),
                    sentence,
                }
            })
    }

    /// What is accepted though nobody says it, once every template has been looked at.
    pub fn outdated(&self) -> Vec<Finding> {
        self.accepted
            .iter()
            .filter(|entry| self.asked.contains(&entry.validator) && self.times(entry) == 0)
            .map(|entry| {
                Finding::problem(
                    entry.validator.rule(&entry.rule),
                    "nothing matches it any more: remove it from infra-gen/findings.yaml",
                )
            })
            .collect()
    }

    fn times(&self, entry: &Accepted) -> usize {
        self.said.iter().filter(|said| entry.accepts(said)).count()
    }
}

impl Accepted {
    fn accepts(&self, said: &ValidatorMessage) -> bool {
        self.validator == said.validator && self.rule == said.rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(said: &[&str], accepted: &[&str]) -> Answers {
        let validator = Validator::CfnLint;
        Answers {
            said: said
                .iter()
                .map(|rule| ValidatorMessage {
                    validator,
                    rule: (*rule).to_owned(),
                    sentence: "template.yaml:1: something".to_owned(),
                })
                .collect(),
            asked: BTreeSet::from([validator]),
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
    fn what_is_accepted_is_a_note_with_its_reason_and_the_rest_is_a_problem() {
        assert_eq!(
            lines(&answers(&["W1", "E2", "W1"], &["W1"]).findings()),
            [
                "problem: cfn-lint E2: template.yaml:1: something",
                "note: cfn-lint W1: accepted 2 times: so",
            ]
        );
    }

    #[test]
    fn a_validator_that_is_not_installed_is_as_grave_as_asked() {
        let absent = |severity| lines(&answers(&[], &[]).absent(severity).collect::<Vec<_>>());
        let sentence = format!(
            "cloudformation-validate: not installed, so not asked; get it with `pip install \
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
    fn an_accepted_finding_that_nobody_has_is_outdated_unless_nobody_was_asked() {
        let mut answers = answers(&["W1"], &["W1", "W2"]);
        assert_eq!(
            lines(&answers.outdated()),
            [
                "problem: cfn-lint W2: nothing matches it any more: remove it from \
                 infra-gen/findings.yaml"
            ]
        );
        answers.asked.clear();
        assert_eq!(answers.outdated(), []);
    }

    #[test]
    fn the_list_of_accepted_findings_can_be_read_and_gives_reasons() {
        let accepted: Vec<Accepted> = serde_yaml::from_str(ACCEPTED).expect("a list");
        assert!(accepted.iter().all(|entry| entry.reason.len() > 20));
    }
}
