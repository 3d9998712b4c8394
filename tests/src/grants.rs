//! Compares the functions' grants with their recorded calls.

use std::collections::BTreeMap;

use local_aws::Call;
use typed_contract::{
    functions::FunctionSpec,
    grants::{Grant, GrantedOn},
};

/// Operations that are not IAM actions. IAM checks the parts of a transaction, which the stack records
/// too.
const TRANSACTIONS: [&str; 2] = ["dynamodb:TransactGetItems", "dynamodb:TransactWriteItems"];

/// Grants that none of these calls used, as sentences.
pub fn unused(calls: &BTreeMap<Call, u64>) -> Vec<String> {
    let mut sentences = Vec::new();
    for function in contract::PRODUCT.all_functions() {
        for grant in function.grants {
            if !calls.keys().any(|call| is_allowed(function, grant, call)) {
                sentences.push(format!(
                    "the function `{}` holds `{}` on {} but never used it: take the operation out \
                     of the function's declaration, or show what it is for \
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

/// Calls of functions without a matching grant, as sentences.
pub fn missing(calls: &BTreeMap<Call, u64>) -> Vec<String> {
    let mut sentences = Vec::new();
    for call in calls.keys() {
        let functions = contract::PRODUCT.all_functions();
        let caller = functions.iter().find(|it| it.name == call.caller);
        let Some(function) = caller else { continue };
        if !TRANSACTIONS.contains(&call.operation.as_str())
            && !function
                .grants
                .iter()
                .any(|grant| is_allowed(function, grant, call))
        {
            sentences.push(format!(
                "the function `{}` called `{}` on `{}`, which it is not granted: it must have got \
                 past the clients in crates/granted-aws",
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
        // CloudFormation generates the name, and there is only one bucket.
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
    fn grant_is_used_only_by_its_function_operation_and_resource() {
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
    fn only_calls_of_functions_without_a_grant_are_missing() {
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
