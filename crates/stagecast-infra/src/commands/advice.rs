//! Advice on known failures, beyond that of the libraries.

use stagecast_operator::OperatorError;

use crate::deploy::{CallError, CallErrorKind, ChangeSetError};

/// Parts of a reason, with the advice for each. The first one that matches counts.
const ADVICE: [(&str, &str); 11] = [
    (
        "CloudWatch Logs role ARN must be set",
        "API Gateway needs a logging role, once per account and region: deploy with --set-up-logging",
    ),
    (
        "already exists",
        "another stack has a resource with this name, or a deleted stack left one behind. Deploy \
         with another --name-suffix, or delete the resource",
    ),
    (
        "not authorized to perform",
        "give the credentials that deploy the permission that is named",
    ),
    (
        "AccessDenied",
        "give the credentials that deploy the permission that is named",
    ),
    (
        "is not empty",
        "the bucket contains objects: `infra-gen destroy`, with the options of this stack, deletes \
         them first",
    ),
    (
        "LimitExceeded",
        "the account has reached its quota: delete resources, or request more in Service Quotas",
    ),
    (
        "UnreservedConcurrentExecution",
        "the account's concurrency is too low to reserve any: request more in Service Quotas, or \
         reserve less in crates/stagecast-infra/src/environments",
    ),
    (
        "protected against deletion",
        "the table has deletion protection: to delete it, disable the protection first",
    ),
    (
        "wait 60 seconds after deleting a queue",
        "a queue with this name was deleted less than 60 seconds ago: deploy again in a minute",
    ),
    (
        "custom-named resource requires replacing",
        "CloudFormation creates the replacement before it deletes the old resource, so it needs \
         another name: revert the change that forces the replacement, or rename the resource \
         in its declaration as well",
    ),
    (
        "Rate exceeded",
        "AWS throttled CloudFormation's requests: deploy again",
    ),
];

/// The advice for a reason, if it is a known one.
pub(crate) fn advice_for(reason: &str) -> Option<&'static str> {
    let known = ADVICE.iter().find(|(part, _)| reason.contains(part));
    known.map(|(_, advice)| *advice)
}

/// The advice for an error of a library, which does not know infra-gen's options and commands.
pub(crate) fn advice_for_error(error: &anyhow::Error) -> Option<&'static str> {
    error.chain().find_map(|cause| {
        if let Some(ChangeSetError::Failed {
            reason, problems, ..
        }) = cause.downcast_ref()
        {
            return advice_for(problems).or_else(|| advice_for(reason));
        }
        if let Some(error) = cause.downcast_ref::<OperatorError>() {
            return error.help();
        }
        let error: &CallError = cause.downcast_ref()?;
        (error.kind == CallErrorKind::NoService).then_some(
            "`cargo dev` runs the functions from the template without a deployment, and `cargo dev \
             --json` prints its URLs. For CloudFormation, omit --endpoint-url and AWS_ENDPOINT_URL, or \
             give the URL of AWS or of an emulator that implements it",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_found_for_the_reasons_that_aws_gives() {
        for (reason, advice) in [
            (
                "Resource handler returned message: \"Resource cannot be deleted as it is currently \
                 protected against deletion. Disable deletion protection first.\"",
                "disable the protection",
            ),
            (
                "Resource handler returned message: \"You must wait 60 seconds after deleting a \
                 queue before you can create another with the same name.\"",
                "in a minute",
            ),
            (
                "CloudFormation cannot update a stack when a custom-named resource requires \
                 replacing. Rename jobs and update the stack again.",
                "another name",
            ),
        ] {
            let found = advice_for(reason).unwrap_or_default();
            assert!(found.contains(advice), "{reason}: {found}");
        }
    }

    #[test]
    fn failed_change_set_gets_the_advice_for_its_problems() {
        let failed = |problems: &str| ChangeSetError::Failed {
            stack: "stagecast-dev".to_owned(),
            reason: "The following hook(s)/validation failed".to_owned(),
            problems: problems.to_owned(),
        };
        let advice = |problems| advice_for_error(&anyhow::Error::new(failed(problems)));
        assert!(advice("'jobs' already exists").is_some_and(|it| it.contains("--name-suffix")));
        assert_eq!(advice("something else"), None);
    }
}
