//! What functions may do, and what they did.

use std::collections::BTreeMap;

use contract::{
    functions::{self, FunctionSpec},
    grants::{Grant, GrantedOn},
};
use local::Call;

/// Not an action that can be granted: IAM asks for the grants of a transaction's parts, which are
/// recorded next to it.
const TRANSACTIONS: [&str; 2] = ["dynamodb:TransactGetItems", "dynamodb:TransactWriteItems"];

/// Grants that none of these calls needed, in sentences.
pub fn unused(calls: &BTreeMap<Call, u64>) -> Vec<String> {
    let mut sentences = Vec::new();
    for function in functions::ALL {
        for grant in function.grants {
            if !calls.keys().any(|call| is_allowed(function, grant, call)) {
                sentences.push(format!(
                    "the function `{}` holds `{}` on {} but never used it: take the operation out \
                     of the function's grants in contract/src/functions.rs, or show what it is for \
                     in tests/tests/scenarios/grants.rs",
                    function.name,
                    grant.action,
                    name(grant.on),
                ));
            }
        }
    }
    sentences
}

/// Calls of functions that none of their grants allows, in sentences.
pub fn missing(calls: &BTreeMap<Call, u64>) -> Vec<String> {
    let mut sentences = Vec::new();
    for call in calls.keys() {
        let caller = functions::ALL.iter().find(|it| it.name == call.caller);
        let Some(function) = caller else { continue };
        if !TRANSACTIONS.contains(&call.operation.as_str())
            && !function
                .grants
                .iter()
                .any(|grant| is_allowed(function, grant, call))
        {
            sentences.push(format!(
                "the function `{}` called `{}` on `{}`, which it is not granted: it must have got \
                 past the clients in handlers/core/src/aws",
                call.caller, call.operation, call.resource,
            ));
        }
    }
    sentences
}

fn is_allowed(function: &FunctionSpec, grant: &Grant, call: &Call) -> bool {
    let is_on = match grant.on {
        GrantedOn::Table(table) => call.resource == table.name,
        GrantedOn::Index(table, index) => call.resource == format!("{}/{index}", table.name),
        GrantedOn::Queue(queue) => call.resource == queue.name,
        // CloudFormation names it, and there is but one.
        GrantedOn::Bucket(_) => call.operation.starts_with("s3:"),
        GrantedOn::Connections(method) => call.resource == method,
    };
    is_on && call.caller == function.name && call.operation == grant.action
}

fn name(on: GrantedOn) -> String {
    match on {
        GrantedOn::Table(table) => format!("the table `{}`", table.name),
        GrantedOn::Index(table, index) => format!("the index `{index}` of `{}`", table.name),
        GrantedOn::Queue(queue) => format!("the queue `{}`", queue.name),
        GrantedOn::Bucket(bucket) => format!("the bucket `{}`", bucket.name),
        GrantedOn::Connections(method) => format!("connections (`{method}`)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &str, operation: &str, resource: &str) -> Call {
        Call {
            caller: caller.to_owned(),
            operation: operation.to_owned(),
            resource: resource.to_owned(),
        }
    }

    #[test]
    fn a_grant_is_used_by_its_function_its_operation_and_its_resource_only() {
        let of_delivery = |calls: &[Call]| -> Vec<String> {
            let calls = calls.iter().cloned().map(|call| (call, 1)).collect();
            let all = unused(&calls).into_iter();
            all.filter(|it| it.starts_with("the function `delivery` holds `dynamodb:GetItem`"))
                .collect()
        };
        let unused = of_delivery(&[
            call("jobs", "dynamodb:GetItem", "jobs"),
            call("delivery", "dynamodb:GetItem", "job_events"),
            call("delivery", "dynamodb:Query", "jobs"),
        ]);
        assert_eq!(unused.len(), 1, "{unused:#?}");
        assert!(unused[0].contains("on the table `jobs`"), "{unused:#?}");
        let used = of_delivery(&[call("delivery", "dynamodb:GetItem", "jobs")]);
        assert_eq!(used, [""; 0]);
    }

    #[test]
    fn a_call_without_its_grant_is_named_and_so_is_no_call_of_anyone_else() {
        let calls = [
            call("delivery", "dynamodb:PutItem", "jobs"),
            call("delivery", "dynamodb:TransactGetItems", "jobs"),
            call("delivery", "dynamodb:GetItem", "jobs"),
            call("", "dynamodb:PutItem", "jobs"),
        ];
        let missing = missing(&calls.into_iter().map(|call| (call, 1)).collect());
        assert_eq!(missing.len(), 1, "{missing:#?}");
        assert!(
            missing[0].contains("`delivery` called `dynamodb:PutItem` on `jobs`"),
            "{missing:#?}"
        );
    }
}
