//! A deployment as the command line describes it, and what all its steps share.

use std::cell::RefCell;

use crate::{
    deploy::{AwsSession, ChangeSetRequest, ParameterValues, StackName},
    environments::{Architecture, Environment},
    project::Project,
};

use crate::commands::code::CodeSource;

/// A deployment as the command line describes it.
#[derive(Debug)]
pub(super) struct DeployRequest {
    pub(super) project: Project,
    pub(super) environment: Environment,
    /// The processor that the command line chooses; it takes precedence over the deployed one.
    pub(super) architecture: Option<Architecture>,
    /// Whether the command line chooses to host the progress page; it takes precedence over the deployed
    /// stack.
    pub(super) page: Option<bool>,
    pub(super) stack_name: StackName,
    /// The description in the template, by which stacks of Stagecast without tags are recognized.
    pub(super) description: String,
    /// The tags of the stack itself.
    pub(super) tags: Vec<(String, String)>,
    /// The parameters that the command line sets.
    pub(super) parameters: ParameterValues,
    /// The bucket for the packages, if it is not the account's default one.
    pub(super) artifact_bucket: Option<String>,
    pub(super) code: CodeSource,
    pub(super) consent: Consent,
}

/// What the user agreed to on the command line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent {
    /// All questions about this stack.
    pub(super) yes: bool,
    /// The loss of data in resources that are replaced or deleted.
    pub(super) replacement: bool,
    /// The role that API Gateway writes logs with, which belongs to the account.
    pub(super) logging_role: bool,
}

/// What all steps of a deployment share.
#[derive(Debug)]
pub(super) struct DeployContext {
    pub(super) request: DeployRequest,
    pub(super) session: AwsSession,
    /// Decides what Ctrl-C leaves behind and what its message says.
    pub(super) progress: RefCell<Progress>,
}

/// How far a deployment has come.
#[derive(Debug)]
pub(super) enum Progress {
    /// No stack was changed.
    Unchanged,
    /// A change set exists or is being created.
    Planned(ChangeSetRequest),
    /// CloudFormation works on the stack with this ARN.
    Executing(String),
}

impl DeployContext {
    pub(super) fn new(request: DeployRequest, session: AwsSession) -> Self {
        Self {
            request,
            session,
            progress: RefCell::new(Progress::Unchanged),
        }
    }

    /// Notes how far the deployment has come, and returns how far it was before.
    pub(super) fn set_progress(&self, progress: Progress) -> Progress {
        self.progress.replace(progress)
    }
}
