//! Resources or environments whose names collide in an account.

use std::collections::BTreeMap;

use cloudformation::{
    LogicalId, RenderError, StringValue, Template,
    resources::{dynamodb::Table, sqs::Queue},
};

use super::finding::Finding;
use crate::environments::Environment;

pub(super) fn findings(template: &Template) -> Result<Vec<Finding>, RenderError> {
    let tables = template
        .resources_of::<Table>()
        .filter_map(|(id, table)| Some((id, table.table_name.as_ref()?)));
    let queues = template
        .resources_of::<Queue>()
        .filter_map(|(id, queue)| Some((id, queue.queue_name.as_ref()?)));
    Ok([shared("table", tables)?, shared("queue", queues)?].concat())
}

/// Environments with the same name suffix. Their tables and queues would have the same names, so that an
/// account could have only one of them.
pub fn shared_suffixes(environments: &[Environment]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut owners = BTreeMap::new();
    for environment in environments {
        let suffix = environment.name_suffix.as_str();
        if let Some(other) = owners.insert(suffix, environment.name) {
            findings.push(Finding::problem(
                environment.name,
                format!(
                    "its name_suffix '{suffix}' is also that of {other}, so their tables and queues have the same \
                     names: choose another suffix in infra-gen/src/lib.rs"
                ),
            ));
        }
    }
    findings
}

fn shared<'a>(
    kind: &str,
    named: impl Iterator<Item = (&'a LogicalId, &'a StringValue)>,
) -> Result<Vec<Finding>, RenderError> {
    let mut findings = Vec::new();
    let mut owners = BTreeMap::new();
    for (id, name) in named {
        if let Some(other) = owners.insert(serde_json::to_string(name)?, id) {
            findings.push(Finding::problem(
                id,
                format!(
                    "it has the same name as the {kind} {other}: rename one of them in contract/src"
                ),
            ));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_that_share_a_name_suffix_are_a_problem() {
        let copy = Environment {
            name: "staging",
            ..Environment::prod()
        };
        assert_eq!(
            shared_suffixes(&[Environment::dev(), Environment::prod()]),
            []
        );
        let findings = shared_suffixes(&[Environment::dev(), Environment::prod(), copy]);
        let [finding] = &findings[..] else {
            panic!("{findings:?}");
        };
        let text = finding.to_string();
        assert!(
            text.contains("problem: staging: its name_suffix '-prod'"),
            "{text}"
        );
    }
}
