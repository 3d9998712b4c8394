//! The states of a stack, and what can be done in each.

use std::fmt;

/// The state of a stack, `UPDATE_COMPLETE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackStatus(String);

/// How commands name a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Its name.
    pub stack: String,
    /// The options with which infra-gen finds it, each with a space before it.
    pub options: String,
    /// Those with which the AWS CLI finds where it is.
    pub aws: String,
}

/// What can be done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackState {
    /// It can be updated.
    Settled,
    /// A first change set was made, and never executed: it has nothing in it.
    Empty,
    /// CloudFormation is at work on it.
    Busy,
    /// Nothing but removal.
    Removable,
    /// An update and its undoing failed, or nobody undid it.
    Stuck,
    /// It is gone.
    Gone,
}

impl StackStatus {
    pub(super) fn new(status: impl Into<String>) -> Self {
        Self(status.into())
    }

    /// What can be done with a stack in this state.
    pub fn state(&self) -> StackState {
        match self.0.as_str() {
            "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE" => StackState::Settled,
            "REVIEW_IN_PROGRESS" => StackState::Empty,
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => {
                StackState::Removable
            }
            "UPDATE_ROLLBACK_FAILED" | "UPDATE_FAILED" | "IMPORT_ROLLBACK_FAILED" => {
                StackState::Stuck
            }
            "DELETE_COMPLETE" => StackState::Gone,
            // Of a state that is newer than this: to wait is never wrong.
            _ => StackState::Busy,
        }
    }

    /// Whether a stack in this state has nothing in it: it is gone, or has not been made.
    pub fn holds_nothing(&self) -> bool {
        matches!(self.state(), StackState::Empty | StackState::Gone)
            || self.0 == "ROLLBACK_COMPLETE"
    }

    /// Whether an operation ended in this state as it should.
    pub fn is_success(&self) -> bool {
        matches!(
            self.0.as_str(),
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" | "DELETE_COMPLETE"
        )
    }

    /// Whether a deletion ended in this state, well or not.
    pub fn is_of_deletion(&self) -> bool {
        matches!(self.0.as_str(), "DELETE_COMPLETE" | "DELETE_FAILED")
    }

    /// What the state means, as a clause about "it".
    pub fn meaning(&self) -> &'static str {
        match self.0.as_str() {
            "CREATE_COMPLETE" => "it was made as it should be",
            "CREATE_IN_PROGRESS" => "it is being made",
            "CREATE_FAILED" => "it could not be made, and what there is of it was left",
            "DELETE_COMPLETE" => "it is gone",
            "DELETE_FAILED" => "some of it could not be deleted",
            "DELETE_IN_PROGRESS" => "it is being deleted",
            "IMPORT_COMPLETE" => "resources were imported into it",
            "IMPORT_IN_PROGRESS" => "resources are being imported into it",
            "IMPORT_ROLLBACK_COMPLETE" => "an import was undone; it is as it was before",
            "IMPORT_ROLLBACK_FAILED" => "an import failed, and could not be undone",
            "IMPORT_ROLLBACK_IN_PROGRESS" => "an import failed, and is being undone",
            "REVIEW_IN_PROGRESS" => "it has a change set that was never executed, and nothing else",
            "ROLLBACK_COMPLETE" => {
                "it could not be made, and what there was of it was deleted, but for what is named as left"
            }
            "ROLLBACK_FAILED" => "it could not be made, and not all of it could be deleted",
            "ROLLBACK_IN_PROGRESS" => {
                "it could not be made, and what there is of it is being deleted"
            }
            "UPDATE_COMPLETE" => "it was updated as it should be",
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
                "it was updated, and what was replaced is being deleted"
            }
            "UPDATE_FAILED" => "an update failed, and was not undone",
            "UPDATE_IN_PROGRESS" => "it is being updated",
            "UPDATE_ROLLBACK_COMPLETE" => "an update failed and was undone; it works as before",
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => {
                "an update failed and was undone; what the update had made is being deleted"
            }
            "UPDATE_ROLLBACK_FAILED" => "an update failed, and could not be undone either",
            "UPDATE_ROLLBACK_IN_PROGRESS" => "an update failed, and is being undone",
            _ => "that state is not known here",
        }
    }

    /// What brings a stack out of this state, if it cannot be updated in it.
    pub fn remediation(&self, naming: &Naming) -> Option<String> {
        let Naming {
            stack,
            options,
            aws,
        } = naming;
        Some(match self.0.as_str() {
            "UPDATE_ROLLBACK_FAILED" => format!(
                "mend what the events name, then `aws cloudformation continue-update-rollback \
                 --stack-name {stack}{aws}` (with --resources-to-skip for what cannot be mended)"
            ),
            "UPDATE_FAILED" => {
                format!("`aws cloudformation rollback-stack --stack-name {stack}{aws}`")
            }
            "IMPORT_ROLLBACK_FAILED" => format!(
                "mend what the events name, then delete the stack or import again; see `aws \
                 cloudformation describe-stack-events --stack-name {stack}{aws}`"
            ),
            "ROLLBACK_COMPLETE" => {
                "mend the cause, then deploy again; it offers to remove the stack and to make it \
                 again"
                    .to_owned()
            }
            _ => match self.state() {
                StackState::Removable => {
                    format!("`infra-gen destroy{options}`, then deploy again")
                }
                StackState::Busy => "wait until CloudFormation is done".to_owned(),
                StackState::Settled | StackState::Empty | StackState::Stuck | StackState::Gone => {
                    return None;
                }
            },
        })
    }

    /// The state's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StackStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types;

    use super::*;

    #[test]
    fn every_state_that_cloudformation_has_is_known_with_its_meaning() {
        let naming = Naming {
            stack: "stagecast-dev".to_owned(),
            options: String::new(),
            aws: String::new(),
        };
        for name in types::StackStatus::values() {
            let status = StackStatus::new(*name);
            assert_ne!(status.meaning(), "that state is not known here", "{name}");
            assert_eq!(
                status.state() == StackState::Busy,
                name.ends_with("_IN_PROGRESS") && *name != "REVIEW_IN_PROGRESS",
                "{name}"
            );
            let usable = [StackState::Settled, StackState::Empty, StackState::Gone];
            assert_eq!(
                status.remediation(&naming).is_none(),
                usable.contains(&status.state()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_was_never_made_and_what_is_gone_hold_nothing() {
        for (name, nothing) in [
            ("REVIEW_IN_PROGRESS", true),
            ("ROLLBACK_COMPLETE", true),
            ("DELETE_COMPLETE", true),
            ("ROLLBACK_FAILED", false),
            ("CREATE_IN_PROGRESS", false),
            ("UPDATE_ROLLBACK_COMPLETE", false),
        ] {
            assert_eq!(StackStatus::new(name).holds_nothing(), nothing, "{name}");
        }
    }

    #[test]
    fn only_what_ended_as_asked_is_a_success() {
        for (name, success) in [
            ("UPDATE_COMPLETE", true),
            ("UPDATE_ROLLBACK_COMPLETE", false),
            ("ROLLBACK_COMPLETE", false),
            ("DELETE_FAILED", false),
        ] {
            assert_eq!(StackStatus::new(name).is_success(), success, "{name}");
        }
    }
}
