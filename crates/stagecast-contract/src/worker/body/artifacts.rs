//! The artifacts that workers announce and that events list.

use serde::Deserialize;

use super::{InvalidBody, object};
use crate::{
    limits::{MAX_ARTIFACTS, MAX_WORKER_ARTIFACT_BYTES},
    messages::Artifact,
    reading,
    worker::ArtifactRequest,
};

impl ArtifactRequest {
    /// Parses a body. Unknown fields are ignored; every other fault is an error that names the field.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        #[derive(Deserialize)]
        struct Claim {
            #[serde(deserialize_with = "reading::whole_number")]
            epoch: u64,
        }
        const EXAMPLE: &str = r#"{"epoch":1,"name":"report.pdf","content_type":"application/pdf","size":3,"sha256":"ba78…"}"#;
        let Claim { epoch } = object(body, EXAMPLE)?;
        let artifact: Artifact = object(body, EXAMPLE)?;
        if let Err(invalid) = artifact.check(MAX_WORKER_ARTIFACT_BYTES) {
            return Err(InvalidBody::field(invalid.field, invalid.problem));
        }
        Ok(Self { epoch, artifact })
    }
}

/// Checks the artifacts of the event at `path`: their fields, their number, and that no name is twice there.
pub(super) fn check(path: &str, artifacts: &[Artifact]) -> Result<(), InvalidBody> {
    if artifacts.len() > MAX_ARTIFACTS {
        let problem = format!(
            "{} artifacts; a job has at most {MAX_ARTIFACTS}: upload an archive of several files",
            artifacts.len()
        );
        return Err(InvalidBody::field(format!("{path}.artifacts"), problem));
    }
    for (index, artifact) in artifacts.iter().enumerate() {
        let path = format!("{path}.artifacts[{index}]");
        if let Err(invalid) = artifact.check(MAX_WORKER_ARTIFACT_BYTES) {
            let field = format!("{path}.{}", invalid.field);
            return Err(InvalidBody::field(field, invalid.problem));
        }
        let name = &artifact.name;
        if artifacts[..index].iter().any(|other| other.name == *name) {
            let problem = format!("'{name}' is listed twice; give each artifact its own name");
            return Err(InvalidBody::field(format!("{path}.name"), problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::events::tests::{event, parse_error, with_event},
        *,
    };
    use crate::worker::WorkerEvent;

    #[test]
    fn artifacts_of_an_event_are_read_and_each_fault_is_named() {
        let artifact = |name: &str| {
            let sha256 = "0a".repeat(32);
            format!(r#"{{"name":"{name}","content_type":"a/b","size":1,"sha256":"{sha256}"}}"#)
        };
        let complete =
            |artifacts: &str| format!(r#"{{"type":"job_complete","artifacts":[{artifacts}]}}"#);
        let WorkerEvent::JobComplete(read) = event(&complete(&artifact("a"))) else {
            panic!("another event");
        };
        assert_eq!(read.artifacts[0].name, "a");
        let field = |artifacts: &str| {
            let error = parse_error(&with_event(&complete(artifacts)));
            error.details["field"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let twice = [artifact("a"), artifact("a")].join(",");
        assert_eq!(field(&twice), "events[0].artifacts[1].name");
        assert_eq!(field(&artifact("../a")), "events[0].artifacts[0].name");
        assert_eq!(
            field(r#"{"name":"a"}"#),
            "events[0].artifacts[0].content_type"
        );
        let many: Vec<_> = (0..=MAX_ARTIFACTS)
            .map(|number| artifact(&format!("a{number}")))
            .collect();
        assert_eq!(field(&many.join(",")), "events[0].artifacts");
    }

    #[test]
    fn announced_artifact_is_limited_to_a_single_put() {
        let body = |size: u64| {
            let sha256 = "0a".repeat(32);
            format!(
                r#"{{"epoch":2,"name":"a","content_type":"a/b","size":{size},"sha256":"{sha256}"}}"#
            )
        };
        let request = ArtifactRequest::parse(body(MAX_WORKER_ARTIFACT_BYTES).as_bytes());
        assert_eq!(request.expect("an artifact").epoch, 2);
        let error = ArtifactRequest::parse(body(MAX_WORKER_ARTIFACT_BYTES + 1).as_bytes());
        let error = error.expect_err("too large");
        assert!(error.message.contains("5368709120"), "{}", error.message);
        assert_eq!(error.details["field"], "size");
    }
}
