//! References without a target, and resources that depend on themselves.

use cloudformation::{RenderError, Template};

use super::finding::Finding;

pub(super) fn findings(template: &Template) -> Result<Vec<Finding>, RenderError> {
    let errors = template.check_references()?;
    let findings = errors.iter();
    let findings = findings.map(|error| Finding::problem(error.subject(), error.problem()));
    Ok(findings.collect())
}
