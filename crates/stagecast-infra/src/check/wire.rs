//! Changes of the protocol that break the clients, the workers or the functions of an earlier version.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use schema_compatibility::{BreakingChange, Direction, Rules, compare_apis, compare_schemas};
use serde_json::Value;

use super::Finding;
use crate::generated::GeneratedFile;

const MESSAGES: &str = "messages.schema.json";
const QUEUES: &str = "queues.schema.json";
const API: &str = "openapi.yaml";

/// Clients must accept error codes, and reasons of errors, that they do not know: docs/reference/versioning.md.
const RULES: Rules<'static> = Rules {
    open_enumerations: &["code", "reason"],
};

/// The documents that describe the protocol.
#[derive(Clone, Debug)]
pub struct Wire {
    messages: Value,
    /// Absent in versions before this document existed.
    queues: Option<Value>,
    api: Value,
}

/// Why the documents of another version cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A file cannot be read.
    #[error("'{}' cannot be read: {cause}\n  help: give a folder with the files of generated/, or a Git revision", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// Git cannot be started.
    #[error(
        "'{revision}' is not a folder, and git, which may have it as a revision, cannot be started: {cause}"
    )]
    NoGit {
        /// The text that was given.
        revision: String,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// Git does not have the file.
    #[error(
        "'{revision}' is neither a folder nor a Git revision that has {file}; git reports: {answer}\n  help: \
         `git tag` lists the releases"
    )]
    Revision {
        /// The text that was given.
        revision: String,
        /// The path of the file, relative to the workspace.
        file: String,
        /// The error output of git.
        answer: String,
    },
    /// The file has another format.
    #[error("{file} cannot be compared: {cause}")]
    Format {
        /// The name of the file.
        file: &'static str,
        /// What the parser reports.
        cause: String,
    },
    /// A document is missing among the generated ones.
    #[error("{0} is not generated")]
    Missing(&'static str),
}

impl Wire {
    /// The documents among generated files.
    pub fn of(files: &[GeneratedFile]) -> Result<Self, WireError> {
        Self::read(|name| {
            let file = files.iter().find(|file| file.path == Path::new(name));
            Ok(file.map(|file| file.contents.clone()))
        })
    }

    /// The documents of an earlier version: in the folder `source`, or in the folder `generated` of the workspace at the Git
    /// revision `source`.
    pub fn find(source: &str, workspace: &Path, generated: &str) -> Result<Self, WireError> {
        let folder = Path::new(source);
        if folder.is_dir() {
            return Self::read(|name| {
                let path = folder.join(name);
                match fs::read_to_string(&path) {
                    Ok(text) => Ok(Some(text)),
                    Err(error) if name == QUEUES && error.kind() == io::ErrorKind::NotFound => {
                        Ok(None)
                    }
                    Err(cause) => Err(WireError::File { path, cause }),
                }
            });
        }
        Self::read(|name| {
            let file = format!("{generated}/{name}");
            match show(source, workspace, &file) {
                Err(WireError::Revision { .. }) if name == QUEUES => Ok(None),
                other => other.map(Some),
            }
        })
    }

    /// Reads the required documents first: an error is that of the first one.
    fn read(
        text: impl Fn(&'static str) -> Result<Option<String>, WireError>,
    ) -> Result<Self, WireError> {
        let required = |name| text(name)?.ok_or(WireError::Missing(name));
        let format = |file, cause: String| WireError::Format { file, cause };
        let json = |file, text: &str| {
            serde_json::from_str(text).map_err(|error| format(file, error.to_string()))
        };
        let messages = json(MESSAGES, &required(MESSAGES)?)?;
        let api = serde_yaml::from_str(&required(API)?)
            .map_err(|error| format(API, error.to_string()))?;
        let queues = text(QUEUES)?;
        Ok(Self {
            messages,
            api,
            queues: queues.map(|text| json(QUEUES, &text)).transpose()?,
        })
    }

    fn version(&self) -> &str {
        self.api["info"]["version"].as_str().unwrap_or_default()
    }
}

fn show(revision: &str, workspace: &Path, file: &str) -> Result<String, WireError> {
    let output = Command::new("git")
        .current_dir(workspace)
        .args(["show", "--end-of-options"])
        .arg(format!("{revision}:./{file}"))
        .output()
        .map_err(|cause| WireError::NoGit {
            revision: revision.to_owned(),
            cause,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let answer = String::from_utf8_lossy(&output.stderr);
    Err(WireError::Revision {
        revision: revision.to_owned(),
        file: file.to_owned(),
        answer: answer.trim().replace('\n', " "),
    })
}

/// The changes that break programs of the version `old`: problems, unless the version of `new` allows them.
pub fn broken_by(old: &Wire, new: &Wire) -> Vec<Finding> {
    let messages = |name: &str, direction| {
        let pointer = format!("#/$defs/{name}");
        let changes = compare_schemas(&old.messages, &new.messages, &pointer, direction, &RULES);
        titled(name, changes)
    };
    let mut changes = messages("ClientMessage", Direction::Request);
    changes.extend(messages("ServerMessage", Direction::Response));
    changes.extend(compare_apis(&old.api, &new.api, &RULES));
    let mut findings = Vec::new();
    match (&old.queues, &new.queues) {
        (Some(old), Some(new)) => {
            let queued = compare_schemas(old, new, "#", Direction::Queued, &RULES);
            changes.extend(titled("queue", queued));
        }
        _ => findings.push(Finding::note(
            QUEUES,
            "the earlier version does not have it, so the messages in queues are not compared",
        )),
    }
    let (before, now) = (old.version(), new.version());
    let is_allowed = may_break(before, now);
    findings.extend(changes.into_iter().map(|BreakingChange { place, what }| {
        if is_allowed {
            let sentence = format!("{what}; the version {now} may break programs of {before}");
            Finding::note(place, sentence)
        } else {
            let sentence = format!(
                "{what}. It breaks programs of the version {before}: add instead of changing, or raise the version"
            );
            Finding::problem(place, sentence)
        }
    }));
    findings
}

fn titled(title: &str, mut changes: Vec<BreakingChange>) -> Vec<BreakingChange> {
    for change in &mut changes {
        change.place = format!("{title}{}", change.place);
    }
    changes
}

/// Whether a version may break programs of an earlier one, by semantic versioning: another major version, or another minor version
/// before 1.0.
fn may_break(before: &str, now: &str) -> bool {
    let significant = |version: &str| {
        let mut parts = version.split('.').map(str::to_owned);
        let major = parts.next().unwrap_or_default();
        let minor = parts.next().filter(|_| major == "0");
        (major, minor)
    };
    significant(before) != significant(now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{generated, test_product};

    fn wire() -> Wire {
        let files = generated::files(test_product::project()).expect("generated files");
        Wire::of(&files).expect("the documents")
    }

    fn findings(change: impl FnOnce(&mut Wire)) -> Vec<String> {
        let old = wire();
        let mut new = old.clone();
        change(&mut new);
        let findings = broken_by(&old, &new);
        findings.iter().map(ToString::to_string).collect()
    }

    /// Every keyword of the documents can be compared.
    #[test]
    fn documents_break_nothing_of_themselves() {
        assert_eq!(findings(|_| {}), [""; 0]);
    }

    #[test]
    fn changed_message_is_a_problem() {
        let found = findings(|wire| {
            let properties = &mut wire.messages["$defs"]["StageComplete"]["properties"];
            properties["seq"] = json!({"type": "string"});
        });
        let expected = "problem: ServerMessage(stage_complete)/seq: the type is string, and was integer. It breaks \
             programs of the version 0.1.0: add instead of changing, or raise the version";
        assert!(found.iter().any(|it| it == expected), "{found:#?}");
    }

    #[test]
    fn client_message_that_is_gone_is_a_problem() {
        let found = findings(|wire| {
            let messages = wire.messages["$defs"]["ClientMessage"]["oneOf"].as_array_mut();
            messages.expect("messages").remove(0);
        });
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].starts_with("problem: ClientMessage(subscribe): the alternative does not"),
            "{found:#?}"
        );
    }

    #[test]
    fn renamed_status_is_a_problem_in_messages_and_in_the_api() {
        let rename = |statuses: &mut Value| {
            statuses["oneOf"][1]["const"] = json!("waiting");
        };
        let found = findings(|wire| {
            rename(&mut wire.messages["$defs"]["JobStatus"]);
            rename(&mut wire.api["components"]["schemas"]["JobStatus"]);
        });
        for expected in [
            r#"problem: ServerMessage(job_status)/status: the value "queued" does not exist any more"#,
            r#"problem: GET /v1/jobs/{job_id} 200/status: the value "waiting" is new"#,
        ] {
            let is_found = found.iter().any(|it| it.starts_with(expected));
            assert!(is_found, "{expected}: {found:#?}");
        }
    }

    #[test]
    fn new_error_code_breaks_nothing() {
        let found = findings(|wire| {
            let codes = wire.messages["$defs"]["ErrorCode"]["oneOf"].as_array_mut();
            codes
                .expect("codes")
                .push(json!({"type": "string", "const": "new"}));
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn queue_message_that_older_functions_cannot_read_is_a_problem() {
        let found = findings(|wire| {
            let queues = wire.queues.as_mut().expect("queues");
            let kinds = queues["$defs"]["DeliveryKind"]["oneOf"].as_array_mut();
            kinds
                .expect("kinds")
                .push(json!({"type": "string", "const": "new"}));
        });
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].starts_with("problem: queue/deliveries/content(new): the alternative is new"),
            "{found:#?}"
        );
    }

    #[test]
    fn version_decides_whether_changes_may_break() {
        for (before, now, may) in [
            ("0.1.0", "0.1.1", false),
            ("0.1.0", "0.2.0", true),
            ("1.1.0", "1.2.0", false),
            ("1.1.0", "2.0.0", true),
            ("0.9.0", "1.0.0", true),
            ("0.1.0", "0.1.0", false),
        ] {
            assert_eq!(may_break(before, now), may, "{before} {now}");
        }
        let found = findings(|wire| {
            wire.api["info"]["version"] = json!("0.2.0");
            let paths = wire.api["paths"].as_object_mut().expect("paths");
            paths.remove("/v1/jobs/{job_id}/input");
        });
        assert_eq!(
            found,
            [
                "note: GET /v1/jobs/{job_id}/input: the operation does not exist any more; the version 0.2.0 may break \
                 programs of 0.1.0"
            ]
        );
    }

    #[test]
    fn version_without_the_schema_of_queues_is_compared_without_it() {
        let mut old = wire();
        old.queues = None;
        let findings = broken_by(&old, &wire());
        let texts: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 1);
        assert!(
            texts[0].starts_with("note: queues.schema.json:"),
            "{texts:?}"
        );
    }

    #[test]
    fn folder_is_read_and_another_text_is_a_revision() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = generated::files(test_product::project()).expect("generated files");
        let source = folder.path().to_str().expect("UTF-8");
        let missing = Wire::find(source, Path::new("."), "generated").expect_err("empty");
        assert!(missing.to_string().contains(MESSAGES), "{missing}");
        generated::write(&files, folder.path()).expect("written");
        let found = Wire::find(source, Path::new("."), "generated").expect("the documents");
        assert_eq!(broken_by(&found, &wire()), []);
        let none = Wire::find("no-such-tag", folder.path(), "generated").expect_err("no revision");
        assert!(
            none.to_string().contains("'no-such-tag' is neither"),
            "{none}"
        );
    }
}
