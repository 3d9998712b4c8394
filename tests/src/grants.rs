//! Finds the functions' unused grants.

use std::collections::BTreeMap;

use local_aws::Call;
use stagecast_scenarios::grants::is_allowed;
use typed_contract::grants::{Grant, GrantedOn};

/// Grants that none of these calls used, as sentences.
pub fn unused(calls: &BTreeMap<Call, u64>) -> Vec<String> {
    let mut sentences = Vec::new();
    for function in contract::PRODUCT.all_functions() {
        // The local stack does not serve external resources, so their calls are not known.
        let is_served = |grant: &&Grant| !matches!(grant.on, GrantedOn::External(_));
        for grant in function.grants.iter().filter(is_served) {
            if !calls
                .keys()
                .any(|call| is_allowed(&contract::PRODUCT, function, grant, call))
            {
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

fn name(on: GrantedOn) -> String {
    match on {
        GrantedOn::Table(table) => format!("the table `{}`", table.name),
        GrantedOn::Index(table, index) => format!("the index `{index}` of `{}`", table.name),
        GrantedOn::Queue(queue) => format!("the queue `{}`", queue.name),
        GrantedOn::Bucket(bucket) => format!("the bucket `{}`", bucket.name),
        GrantedOn::Connections(method) => format!("connections (`{method}`)"),
        GrantedOn::Secret(secret) => format!("the secret `{}`", secret.name),
        GrantedOn::Parameter(parameter) => format!("the parameter `{}`", parameter.name),
        GrantedOn::External(external) => format!("`{}`", external.arn),
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
}
