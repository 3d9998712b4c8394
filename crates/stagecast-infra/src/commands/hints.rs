//! Renders errors with the next step: commands that can be pasted into a shell, with the options
//! that select the same stack.

use crate::{
    deploy::{DeployedStack, Owner, Remediation, StackState, StackStatus, WatchResult},
    diff::ChosenName,
    project::Project,
};
use anyhow::anyhow;

use super::{
    failure::{describe_failure, protected_tables},
    stack_error::StackError,
    stack_options::StackOptions,
};

/// Renders the next steps of one command.
#[derive(Debug)]
pub(crate) struct Hints<'a> {
    /// The command that runs, with its options: `infra-gen deploy --region eu-west-1`.
    command: String,
    stack: &'a StackOptions,
    project: Project,
}

/// What a command that was interrupted knows about the stack.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// Nothing was changed.
    Unchanged,
    /// The status of the stack cannot be read.
    Unknown(anyhow::Error),
    /// The stack does not exist any more.
    Deleted,
    /// The stack as it is now.
    Stack { name: String, status: StackStatus },
}

const UNPROTECT_TABLE: &str = "update-table --no-deletion-protection-enabled";
const DELETE_TABLE: &str = "delete-table";

impl<'a> Hints<'a> {
    /// The hints of a subcommand that was called with `options`, and with those of the stack.
    pub(crate) fn new(
        project: Project,
        subcommand: &str,
        options: &str,
        stack: &'a StackOptions,
    ) -> Self {
        Self {
            project,
            command: format!("infra-gen {subcommand}{}{options}", stack.to_shell()),
            stack,
        }
    }

    /// The message for an error.
    pub(crate) fn render(&self, error: StackError) -> anyhow::Error {
        match error {
            StackError::WatchFailed { stack, cause } => anyhow::Error::new(cause).context(format!(
                "CloudFormation continues to work on the stack {stack}, but its events cannot be \
                     read\n  help: run `{}` again; it follows the operation to its end",
                self.command
            )),
            StackError::OperationFailed {
                stack,
                result,
                construct,
            } => self.operation_failed(&stack, &result, construct.as_deref()),
            StackError::NotUpdatable {
                stack,
                remediation,
                protected_tables,
            } => self.not_updatable(&stack, remediation, &protected_tables),
            StackError::NamesTaken {
                stack,
                environment,
                names,
            } => self.names_taken(&stack, environment, &names),
            StackError::Other(error) => error,
        }
    }

    fn operation_failed(
        &self,
        stack: &str,
        result: &WatchResult,
        construct: Option<&str>,
    ) -> anyhow::Error {
        let tables = protected_tables(&result.events);
        let first = if result.status == StackStatus::DeleteFailed {
            self.unprotect_tables(&tables)
        } else {
            self.delete_remaining_tables(&tables)
        };
        let next = match result.status.remediation() {
            Some(remediation) => self.remediation(stack, remediation),
            None => format!("fix the cause, then run `{}` again", self.command),
        };
        let steps: Vec<_> = first.into_iter().chain([next]).collect();
        anyhow!(
            "{}\n  help: {}",
            describe_failure(stack, result, construct),
            steps.join("\n    then ")
        )
    }

    fn not_updatable(
        &self,
        stack: &DeployedStack,
        remediation: Option<Remediation>,
        protected_tables: &[String],
    ) -> anyhow::Error {
        let DeployedStack {
            name,
            status,
            reason,
            ..
        } = stack;
        let tables: Vec<_> = protected_tables.iter().map(String::as_str).collect();
        let first = self.delete_remaining_tables(&tables);
        let next = remediation.map(|remediation| self.remediation(name, remediation));
        let steps: Vec<_> = first.into_iter().chain(next).collect();
        let reason = reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!("\n  AWS says: {reason}"));
        anyhow!(
            "the stack {name} cannot be updated: it is {status}: {}{reason}\n  help: {}",
            status.meaning(),
            steps.join("\n    then ")
        )
    }

    fn names_taken(
        &self,
        stack: &str,
        environment: &str,
        names: &[(ChosenName, Owner)],
    ) -> anyhow::Error {
        let lines = names.iter().map(|(chosen, owner)| {
            let ChosenName {
                logical_id,
                kind,
                name,
            } = chosen;
            format!("\n    {logical_id} ({kind}): '{name}' exists, {owner}")
        });
        let orphans = names
            .iter()
            .filter(|(_, owner)| !matches!(owner, Owner::Stack(_)));
        let orphans: Vec<_> = orphans
            .map(|(chosen, _)| (chosen.kind.as_str(), chosen.name.as_str()))
            .collect();
        let delete = self.delete_orphans(&orphans);
        let delete = delete.map_or_else(String::new, |commands| {
            format!(
                "\n    or, if the resources that no stack owns are not needed, delete them:{commands}"
            )
        });
        anyhow!(
            "names that the stack {stack} needs are taken:{}\n  nothing was changed\n  help: choose \
             a different suffix, as in `infra-gen deploy --environment {environment} \
             --name-suffix=-NAME`{delete}",
            lines.collect::<String>(),
        )
    }

    /// The command or action that brings a stack into a status in which it can be updated.
    pub(crate) fn remediation(&self, stack: &str, remediation: Remediation) -> String {
        let aws = self.stack.aws_options();
        match remediation {
            Remediation::ContinueRollback => format!(
                "fix the cause that the events name, then `aws cloudformation \
                 continue-update-rollback --stack-name {stack}{aws}` (with --resources-to-skip for \
                 resources that cannot be fixed)"
            ),
            Remediation::Rollback => {
                format!("`aws cloudformation rollback-stack --stack-name {stack}{aws}`")
            }
            Remediation::RepeatImport => format!(
                "fix the cause that the events name (`aws cloudformation describe-stack-events \
                 --stack-name {stack}{aws}`), then import again or delete the stack"
            ),
            Remediation::Redeploy => {
                "fix the cause, then deploy again; `infra-gen deploy` offers to delete the stack \
                 and to create it again"
                    .to_owned()
            }
            Remediation::Destroy => format!("{}, then deploy again", self.destroy(stack)),
            Remediation::Wait => "wait until CloudFormation has finished".to_owned(),
        }
    }

    /// The command that deletes a stack in the same account and region.
    pub(crate) fn destroy(&self, stack: &str) -> String {
        format!(
            "`infra-gen destroy{}`",
            self.stack.to_shell_for_stack(self.project, stack)
        )
    }

    /// The command that deploys a stack in the same account and region.
    pub(crate) fn deploy(&self, stack: &str) -> String {
        format!(
            "`infra-gen deploy{}`",
            self.stack.to_shell_for_stack(self.project, stack)
        )
    }

    /// The command that allows CloudFormation to delete a stack.
    pub(crate) fn disable_termination_protection(&self, stack: &str) -> String {
        format!(
            "`aws cloudformation update-termination-protection --stack-name {stack} \
             --no-enable-termination-protection{}`",
            self.stack.aws_options()
        )
    }

    /// The commands that delete tables which a rolled back deployment created, and which their
    /// deletion protection kept in the account under names that the next deployment needs.
    pub(crate) fn delete_remaining_tables(&self, tables: &[&str]) -> Option<String> {
        let commands = self.table_commands(&[UNPROTECT_TABLE, DELETE_TABLE], tables);
        (!tables.is_empty())
            .then(|| format!("delete the tables that remain because they are protected:{commands}"))
    }

    fn unprotect_tables(&self, tables: &[&str]) -> Option<String> {
        let commands = self.table_commands(&[UNPROTECT_TABLE], tables);
        (!tables.is_empty()).then(|| format!("disable the tables' deletion protection:{commands}"))
    }

    /// The commands that delete resources without a stack, each given by type and name.
    fn delete_orphans(&self, orphans: &[(&str, &str)]) -> Option<String> {
        let aws = self.stack.aws_options();
        let of_type = |wanted: &str| -> Vec<&str> {
            let orphans = orphans.iter().filter(|(kind, _)| *kind == wanted);
            orphans.map(|(_, name)| *name).collect()
        };
        let tables = self.table_commands(
            &[UNPROTECT_TABLE, DELETE_TABLE],
            &of_type("AWS::DynamoDB::Table"),
        );
        let queues = of_type("AWS::SQS::Queue").into_iter().map(|queue| {
            format!(
                "\n      aws sqs delete-queue{aws} --queue-url \"$(aws sqs get-queue-url{aws} \
                 --queue-name {queue} --query QueueUrl --output text)\""
            )
        });
        let all = tables + &queues.collect::<String>();
        Some(all).filter(|all| !all.is_empty())
    }

    fn table_commands(&self, verbs: &[&str], tables: &[&str]) -> String {
        let aws = self.stack.aws_options();
        let commands = tables.iter().flat_map(|table| {
            let aws = aws.clone();
            let command =
                move |verb| format!("\n      aws dynamodb {verb} --table-name {table}{aws}");
            verbs.iter().map(command)
        });
        commands.collect()
    }

    /// The message of a command that Ctrl-C ended.
    pub(crate) fn interrupted(&self, interruption: Interruption) -> anyhow::Error {
        let command = &self.command;
        let (name, status) = match interruption {
            Interruption::Unchanged => {
                return anyhow!("interrupted; the stack was not changed");
            }
            Interruption::Deleted => return anyhow!("interrupted; the stack is deleted"),
            Interruption::Unknown(error) => {
                return anyhow!(
                    "interrupted, and the status of the stack cannot be read: {error:#}\n  help: \
                     CloudFormation continues; run `{command}` again, it follows the operation to \
                     its end"
                );
            }
            Interruption::Stack { name, status } => (name, status),
        };
        if status.state() != StackState::InProgress {
            return anyhow!(
                "interrupted; the stack {name} is {status}: {}\n  help: run `{command}` again",
                status.meaning()
            );
        }
        let undo = match status {
            StackStatus::UpdateInProgress => format!(
                "; `aws cloudformation cancel-update-stack --stack-name {name}{}` rolls it back",
                self.stack.aws_options()
            ),
            StackStatus::CreateInProgress => format!("; {} deletes it", self.destroy(&name)),
            _ => String::new(),
        };
        anyhow!(
            "interrupted; the stack {name} is {status}: {}, and CloudFormation continues\n  help: \
             `{command}` follows it to its end{undo}",
            status.meaning()
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        stack: StackOptions,
    }

    fn options(arguments: &[&str]) -> StackOptions {
        Line::parse_from([&["test"], arguments].concat()).stack
    }

    #[test]
    fn remediation_repeats_the_options_that_select_the_stack() {
        let options = options(&["--environment", "prod", "--region", "eu-west-1"]);
        let hints = Hints::new(
            crate::test_product::project(),
            "deploy",
            " --arm64",
            &options,
        );
        let rollback = hints.remediation("stagecast-prod", Remediation::Rollback);
        assert_eq!(
            rollback,
            "`aws cloudformation rollback-stack --stack-name stagecast-prod --region eu-west-1`"
        );
        assert_eq!(
            hints.destroy("stagecast-prod"),
            "`infra-gen destroy --environment prod --region eu-west-1`"
        );
        assert_eq!(
            hints.destroy("other"),
            "`infra-gen destroy --environment prod --stack-name other --region eu-west-1`"
        );
    }

    #[test]
    fn interruption_names_the_command_that_was_called() {
        let options = options(&[]);
        let hints = Hints::new(
            crate::test_product::project(),
            "deploy",
            " --arm64",
            &options,
        );
        let status = StackStatus::CreateInProgress;
        let name = "stagecast-dev".to_owned();
        let message = hints.interrupted(Interruption::Stack { name, status });
        assert_eq!(
            message.to_string(),
            "interrupted; the stack stagecast-dev is CREATE_IN_PROGRESS: it is being created, and \
             CloudFormation continues\n  help: `infra-gen deploy --arm64` follows it to its end; \
             `infra-gen destroy` deletes it"
        );
    }

    #[test]
    fn taken_names_are_deleted_only_if_no_stack_owns_them() {
        let options = options(&[]);
        let hints = Hints::new(crate::test_product::project(), "deploy", "", &options);
        let taken = |owner| {
            let chosen = ChosenName {
                logical_id: "JobsTable".to_owned(),
                kind: "AWS::DynamoDB::Table".to_owned(),
                name: "jobs".to_owned(),
            };
            let error = StackError::NamesTaken {
                stack: "stagecast-dev".to_owned(),
                environment: "dev",
                names: vec![(chosen, owner)],
            };
            hints.render(error).to_string()
        };
        let delete = "aws dynamodb delete-table --table-name jobs";
        assert!(taken(Owner::NoStack).contains(delete));
        assert!(!taken(Owner::Stack("other".to_owned())).contains(delete));
    }
}
