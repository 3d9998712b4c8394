//! Compares the calls of a local stack's functions with their grants.

use std::collections::BTreeMap;

use local_aws::Call;
use stagecast_contract::product::Product;
use typed_contract::{
    functions::FunctionSpec,
    grants::{Grant, GrantedOn},
};

/// Operations that are not IAM actions. IAM checks the parts of a transaction, which the stack records
/// too.
const TRANSACTIONS: [&str; 2] = ["dynamodb:TransactGetItems", "dynamodb:TransactWriteItems"];

/// Calls of functions without a matching grant, as sentences. On AWS, IAM would refuse these calls.
pub fn missing(product: &Product, calls: &BTreeMap<Call, u64>) -> Vec<String> {
    let mut sentences = Vec::new();
    let functions = product.all_functions();
    for call in calls.keys() {
        let caller = functions.iter().find(|it| it.name == call.caller);
        let Some(function) = caller else { continue };
        if !TRANSACTIONS.contains(&call.operation.as_str())
            && !function
                .grants
                .iter()
                .any(|grant| is_allowed(product, function, grant, call))
        {
            sentences.push(format!(
                "the function `{}` called `{}` on `{}`, which it is not granted: it must have got \
                 past the clients in granted-aws",
                call.caller, call.operation, call.resource,
            ));
        }
    }
    sentences
}

/// Whether a grant of a function allows this call.
pub fn is_allowed(product: &Product, function: &FunctionSpec, grant: &Grant, call: &Call) -> bool {
    let prefix = product.name_prefix;
    let is_on = match grant.on {
        GrantedOn::Table(table) => call.resource == format!("{prefix}{}", table.name),
        GrantedOn::Index(table, index) => {
            call.resource == format!("{prefix}{}/{index}", table.name)
        }
        GrantedOn::Queue(queue) => call.resource == format!("{prefix}{}", queue.name),
        // CloudFormation generates the names of buckets.
        GrantedOn::Bucket(_) => call.operation.starts_with("s3:"),
        GrantedOn::Connections(method) => call.resource == method,
        // Names in calls have the environment's suffix, and `dev` has none.
        GrantedOn::Secret(secret) => call.resource == secret.name.replace("{suffix}", ""),
        GrantedOn::Parameter(parameter) => call.resource == parameter.name.replace("{suffix}", ""),
        // The local stack does not serve external resources.
        GrantedOn::External(_) => false,
    };
    is_on && call.caller == function.name && call.operation == grant.action
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{
        functions::DeliveryFunction,
        input::{InputRules, any_parameters, no_check},
    };
    use typed_contract::functions::Function as _;

    use super::*;

    const INPUT: InputRules = InputRules {
        name: "file",
        media_types: &[],
        max_bytes: 1,
        check: no_check,
        check_parameters: any_parameters,
        example: "",
    };

    fn call(caller: &str, operation: &str, resource: &str) -> (Call, u64) {
        let call = Call {
            caller: caller.to_owned(),
            operation: operation.to_owned(),
            resource: resource.to_owned(),
        };
        (call, 1)
    }

    #[test]
    fn only_calls_of_functions_without_a_grant_are_missing() {
        let product = Product {
            name_prefix: "shop-",
            ..Product::new("shop", DeliveryFunction::SPEC, &INPUT)
        };
        let calls = [
            call("delivery", "dynamodb:PutItem", "shop-jobs"),
            call("delivery", "dynamodb:TransactGetItems", "shop-jobs"),
            call("delivery", "dynamodb:GetItem", "shop-jobs"),
            call("", "dynamodb:PutItem", "shop-jobs"),
        ];
        let missing = missing(&product, &BTreeMap::from(calls));
        assert_eq!(missing.len(), 1, "{missing:#?}");
        assert!(
            missing[0].contains("`delivery` called `dynamodb:PutItem` on `shop-jobs`"),
            "{missing:#?}"
        );
    }
}
