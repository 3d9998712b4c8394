//! What to do about the reasons that CloudFormation gives for a failure.

/// What DynamoDB says of a table that it does not delete.
const PROTECTED: &str = "protected against deletion";

/// A part of a reason, and what to do about it.
const KNOWN: [(&str, &str); 11] = [
    (
        "CloudWatch Logs role ARN must be set",
        "API Gateway needs a role to log with, once per account and region: deploy with \
         --set-up-logging",
    ),
    (
        "already exists",
        "another stack has the name, or it was left when one went. Give this stack names of its \
         own with --name-suffix, or delete what has the name",
    ),
    (
        "not authorized to perform",
        "the credentials that deploy need the permission that is named",
    ),
    (
        "AccessDenied",
        "the credentials that deploy need the permission that is named",
    ),
    (
        "is not empty",
        "the bucket holds objects: `infra-gen destroy`, with the options of this stack, deletes them first",
    ),
    (
        "LimitExceeded",
        "the account has as many of these as it may: delete some, or ask for more in Service Quotas",
    ),
    (
        "UnreservedConcurrentExecution",
        "the account has too few concurrent executions to reserve any: ask for more in Service \
         Quotas, or reserve fewer in infra-gen/src/environments",
    ),
    (
        PROTECTED,
        "a table is protected: take the protection off, if it really shall go",
    ),
    (
        "wait 60 seconds after deleting a queue",
        "a queue of this name was deleted just now: deploy again in a minute",
    ),
    (
        "custom-named resource requires replacing",
        "CloudFormation makes the new one before it deletes the old one, so it needs another name: \
         change back what forces the replacement, or rename it in contract/src, too",
    ),
    (
        "Rate exceeded",
        "AWS was asked too much at once: deploy again",
    ),
];

/// Whether a reason says of a table that it is not deleted because it is protected.
pub(super) fn tells_of_protection(kind: &str, reason: Option<&str>) -> bool {
    kind == "AWS::DynamoDB::Table" && reason.is_some_and(|reason| reason.contains(PROTECTED))
}

/// What to do about a reason, if it is a known one.
pub fn on(reason: &str) -> Option<&'static str> {
    let known = KNOWN.iter().find(|(part, _)| reason.contains(part));
    known.map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_says_is_found_in_the_words_that_it_says_it_in() {
        for (reason, advice) in [
            (
                "Resource handler returned message: \"Resource cannot be deleted as it is currently \
                 protected against deletion. Disable deletion protection first.\"",
                "take the protection off",
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
            let found = on(reason).unwrap_or_default();
            assert!(found.contains(advice), "{reason}: {found}");
        }
    }
}
