//! Whether two resources would get the same name in the account.

use std::collections::BTreeMap;

use super::Finding;
use crate::{
    resources::{dynamodb::Table, sqs::Queue},
    template::{LogicalId, RenderError, Template, Text},
};

pub(super) fn findings(template: &Template) -> Result<Vec<Finding>, RenderError> {
    let tables = template
        .resources_of::<Table>()
        .map(|(id, table)| (id, &table.table_name));
    let queues = template
        .resources_of::<Queue>()
        .map(|(id, queue)| (id, &queue.queue_name));
    Ok([shared("table", tables)?, shared("queue", queues)?].concat())
}

fn shared<'a>(
    kind: &str,
    named: impl Iterator<Item = (&'a LogicalId, &'a Text)>,
) -> Result<Vec<Finding>, RenderError> {
    let mut findings = Vec::new();
    let mut owners = BTreeMap::new();
    for (id, name) in named {
        if let Some(other) = owners.insert(serde_json::to_string(name)?, id) {
            findings.push(Finding::problem(
                id,
                format!(
                    "it would have the same name as the {kind} {other}: rename one in contract/src"
                ),
            ));
        }
    }
    Ok(findings)
}
