//! The statuses of a stack, and what can be done in each.

use std::fmt;

/// What can be done with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackState {
    /// It can be updated.
    Ready,
    /// It has a change set that was never executed, and no resources.
    Empty,
    /// CloudFormation works on it.
    InProgress,
    /// It can be deleted only.
    DeleteOnly,
    /// A rollback failed or was not started; it has to be continued or started by hand.
    Stuck,
    /// It does not exist any more.
    Deleted,
}

/// What makes it possible to update a stack again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remediation {
    /// Continue the rollback that failed, once its cause is fixed.
    ContinueRollback,
    /// Start the rollback.
    Rollback,
    /// Import the resources again, or delete the stack.
    RepeatImport,
    /// Deploy again: that deletes the stack and creates it again.
    Redeploy,
    /// Delete the stack, then deploy again.
    Destroy,
    /// Wait for the operation in progress.
    Wait,
}

macro_rules! statuses {
    ($($status:ident = $name:literal, $state:ident, $meaning:literal;)*) => {
        /// The status of a stack.
        /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html>
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum StackStatus {
            $(#[doc = concat!("`", $name, "`: ", $meaning, ".")] $status,)*
            /// A status that AWS added after this version.
            Unknown(String),
        }

        impl StackStatus {
            /// The status with CloudFormation's name.
            pub fn new(name: &str) -> Self {
                match name {
                    $($name => Self::$status,)*
                    _ => Self::Unknown(name.to_owned()),
                }
            }

            /// CloudFormation's name of the status.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$status => $name,)*
                    Self::Unknown(name) => name,
                }
            }

            /// What can be done with a stack in this status.
            pub fn state(&self) -> StackState {
                match self {
                    $(Self::$status => StackState::$state,)*
                    // To wait does no harm, whatever a new status means.
                    Self::Unknown(_) => StackState::InProgress,
                }
            }

            /// The meaning of the status, as a clause about "it".
            pub fn meaning(&self) -> &'static str {
                match self {
                    $(Self::$status => $meaning,)*
                    Self::Unknown(_) => "the status is not known",
                }
            }
        }
    };
}

statuses! {
    CreateComplete = "CREATE_COMPLETE", Ready, "it was created";
    CreateFailed = "CREATE_FAILED", DeleteOnly,
        "its creation failed, and the resources that exist remain";
    CreateInProgress = "CREATE_IN_PROGRESS", InProgress, "it is being created";
    DeleteComplete = "DELETE_COMPLETE", Deleted, "it was deleted";
    DeleteFailed = "DELETE_FAILED", DeleteOnly, "some of its resources could not be deleted";
    DeleteInProgress = "DELETE_IN_PROGRESS", InProgress, "it is being deleted";
    ImportComplete = "IMPORT_COMPLETE", Ready, "resources were imported into it";
    ImportInProgress = "IMPORT_IN_PROGRESS", InProgress, "resources are being imported into it";
    ImportRollbackComplete = "IMPORT_ROLLBACK_COMPLETE", Ready,
        "an import failed and was rolled back";
    ImportRollbackFailed = "IMPORT_ROLLBACK_FAILED", Stuck,
        "an import failed, and so did its rollback";
    ImportRollbackInProgress = "IMPORT_ROLLBACK_IN_PROGRESS", InProgress,
        "an import failed and is being rolled back";
    ReviewInProgress = "REVIEW_IN_PROGRESS", Empty,
        "it has a change set that was never executed, and no resources";
    RollbackComplete = "ROLLBACK_COMPLETE", DeleteOnly,
        "its creation failed and was rolled back";
    RollbackFailed = "ROLLBACK_FAILED", DeleteOnly,
        "its creation failed, and so did the rollback: some resources remain";
    RollbackInProgress = "ROLLBACK_IN_PROGRESS", InProgress,
        "its creation failed and is being rolled back";
    UpdateComplete = "UPDATE_COMPLETE", Ready, "it was updated";
    UpdateCompleteCleanupInProgress = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", InProgress,
        "it was updated, and the replaced resources are being deleted";
    UpdateFailed = "UPDATE_FAILED", Stuck, "an update failed and was not rolled back";
    UpdateInProgress = "UPDATE_IN_PROGRESS", InProgress, "it is being updated";
    UpdateRollbackComplete = "UPDATE_ROLLBACK_COMPLETE", Ready,
        "an update failed and was rolled back; it works as before";
    UpdateRollbackCompleteCleanupInProgress = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        InProgress,
        "an update failed and was rolled back, and the resources that it created are being deleted";
    UpdateRollbackFailed = "UPDATE_ROLLBACK_FAILED", Stuck,
        "an update failed, and so did its rollback";
    UpdateRollbackInProgress = "UPDATE_ROLLBACK_IN_PROGRESS", InProgress,
        "an update failed and is being rolled back";
}

impl StackStatus {
    /// Whether a stack in this status has no resources, except those that its template retains.
    pub fn has_no_resources(&self) -> bool {
        matches!(
            self,
            Self::ReviewInProgress | Self::DeleteComplete | Self::RollbackComplete
        )
    }

    /// Whether the last operation succeeded.
    pub fn is_success(&self) -> bool {
        matches!(
            self,
            Self::CreateComplete
                | Self::UpdateComplete
                | Self::ImportComplete
                | Self::DeleteComplete
        )
    }

    /// Whether this is the end of a deletion, successful or not.
    pub fn is_of_deletion(&self) -> bool {
        matches!(self, Self::DeleteComplete | Self::DeleteFailed)
    }

    /// What makes an update possible again; `None` if it is possible, or the stack does not exist.
    pub fn remediation(&self) -> Option<Remediation> {
        Some(match self {
            Self::UpdateRollbackFailed => Remediation::ContinueRollback,
            Self::UpdateFailed => Remediation::Rollback,
            Self::ImportRollbackFailed => Remediation::RepeatImport,
            Self::RollbackComplete => Remediation::Redeploy,
            _ => match self.state() {
                StackState::DeleteOnly => Remediation::Destroy,
                StackState::InProgress => Remediation::Wait,
                StackState::Ready | StackState::Empty | StackState::Stuck | StackState::Deleted => {
                    return None;
                }
            },
        })
    }
}

impl fmt::Display for StackStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudformation::types;

    use super::*;

    #[test]
    fn every_status_of_the_sdk_is_known() {
        for name in types::StackStatus::values() {
            let status = StackStatus::new(name);
            assert!(!matches!(status, StackStatus::Unknown(_)), "{name}");
            assert_eq!(status.as_str(), *name);
            assert_eq!(
                status.state() == StackState::InProgress,
                name.ends_with("_IN_PROGRESS") && *name != "REVIEW_IN_PROGRESS",
                "{name}"
            );
            let updatable = [StackState::Ready, StackState::Empty, StackState::Deleted];
            assert_eq!(
                status.remediation().is_none(),
                updatable.contains(&status.state()),
                "{name}"
            );
        }
    }

    #[test]
    fn unknown_status_is_waited_for_and_printed_as_it_came() {
        let status = StackStatus::new("SOMETHING_NEW");
        assert_eq!(status.remediation(), Some(Remediation::Wait));
        assert_eq!(status.to_string(), "SOMETHING_NEW");
    }

    #[test]
    fn rolled_back_creation_has_no_resources() {
        for (name, expected) in [
            ("REVIEW_IN_PROGRESS", true),
            ("ROLLBACK_COMPLETE", true),
            ("DELETE_COMPLETE", true),
            ("ROLLBACK_FAILED", false),
            ("CREATE_IN_PROGRESS", false),
            ("UPDATE_ROLLBACK_COMPLETE", false),
        ] {
            let status = StackStatus::new(name);
            assert_eq!(status.has_no_resources(), expected, "{name}");
        }
    }

    #[test]
    fn rollbacks_and_failures_are_no_success() {
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
