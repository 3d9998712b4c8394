//! The names of a stack's tables, queues and buckets.

use anyhow::Context as _;
use stagecast_operator::logs::LogGroup;
use typed_contract::{
    buckets::BucketSpec, names::DEAD_LETTERS, queues::QueueSpec, tables::TableSpec,
};

use super::{hints::Hints, stack_options::StackOptions};
use crate::{
    deploy::{AwsSession, DeployedStack},
    project::Project,
    template::{ConstructPath, OutputName},
};

/// What precedes the name of a function in its log group in the local stack.
const LOCAL_LOG_GROUPS: &str = "/aws/lambda/";

/// The names of a stack's tables, queues and buckets.
#[derive(Debug)]
pub(crate) enum StackNames {
    /// Those of a deployed stack, in its outputs.
    Deployed {
        stack: Box<DeployedStack>,
        /// The command that updates it.
        deploy: String,
    },
    /// Those of `cargo dev`, which has no CloudFormation: they follow from the environment.
    Local {
        prefix: &'static str,
        suffix: String,
        stack: String,
    },
}

impl StackNames {
    /// Reads the outputs of the selected stack.
    pub(crate) async fn find(
        project: Project,
        options: &StackOptions,
        session: &AwsSession,
    ) -> anyhow::Result<Self> {
        let name = options.stack_name(project)?;
        let stack = match DeployedStack::find(&session.cloudformation, name.as_str()).await {
            Ok(stack) => stack,
            Err(error)
                if session.endpoint().is_some()
                    && error.code.as_deref() != Some("ValidationError") =>
            {
                let environment = options.environment(project, &options.suffix())?;
                return Ok(Self::Local {
                    prefix: project.product.name_prefix,
                    suffix: environment.name_suffix.as_str().to_owned(),
                    stack: project.local_stack_name(),
                });
            }
            Err(error) => return Err(error.into()),
        };
        let hints = Hints::new(project, "", "", options);
        let deploy = hints.deploy(name.as_str());
        let stack = stack.with_context(|| {
            format!(
                "there is no stack {name} in {}\n  help: {deploy} creates it; select another one with \
                 --stack-name, --name-suffix, --environment, --region and --profile",
                session.region,
            )
        })?;
        Ok(Self::Deployed {
            stack: Box::new(stack),
            deploy,
        })
    }

    /// The name of a table.
    pub(crate) fn table(&self, spec: &TableSpec) -> anyhow::Result<String> {
        self.name(&format!("{}_table_name", spec.name), |prefix, suffix, _| {
            format!("{prefix}{}{suffix}", spec.name)
        })
    }

    /// The names of a queue and of its dead-letter queue.
    pub(crate) fn queue(&self, spec: &QueueSpec) -> anyhow::Result<(String, String)> {
        let queue = self.name(&format!("{}_queue_name", spec.name), |prefix, suffix, _| {
            format!("{prefix}{}{suffix}", spec.name)
        });
        let dead_letters = format!("{}_dead_letter_queue_name", spec.name);
        let dead_letters = self.name(&dead_letters, |prefix, suffix, _| {
            format!("{prefix}{}{DEAD_LETTERS}{suffix}", spec.name)
        });
        Ok((queue?, dead_letters?))
    }

    /// The name of a bucket.
    pub(crate) fn bucket(&self, spec: &BucketSpec) -> anyhow::Result<String> {
        self.name(&format!("{}_bucket_name", spec.name), |_, _, stack| {
            // The local stack makes it of the stack's name and the logical id.
            format!("{stack}-{}bucket", spec.name).to_ascii_lowercase()
        })
    }

    /// The log groups of these functions: their names are in no output.
    pub(crate) async fn log_groups(
        &self,
        session: &AwsSession,
        functions: &[&'static str],
    ) -> anyhow::Result<Vec<LogGroup>> {
        let group = |function: &&'static str, group: String| LogGroup {
            function: (*function).to_owned(),
            group,
        };
        let Self::Deployed { stack, deploy } = self else {
            let groups = functions.iter();
            let groups = groups.map(|it| group(it, format!("{LOCAL_LOG_GROUPS}{it}")));
            return Ok(groups.collect());
        };
        let resources = stack.resources(&session.cloudformation).await?;
        let groups = functions.iter().map(|function| {
            let logical_id = ConstructPath::root(function).child("LogGroup").logical_id();
            let found = resources.iter().find(|resource| {
                resource.kind == "AWS::Logs::LogGroup" && resource.logical_id == logical_id.as_str()
            });
            let found = found.with_context(|| {
                format!(
                    "the stack {} has no log group {logical_id} of the function {function}\n  help: {deploy} updates it",
                    stack.name
                )
            })?;
            Ok(group(function, found.physical_id.clone()))
        });
        groups.collect()
    }

    /// The output that is declared as `declared`, or the local name from the prefix, the suffix and the name of the
    /// stack.
    fn name(
        &self,
        declared: &str,
        local: impl FnOnce(&str, &str, &str) -> String,
    ) -> anyhow::Result<String> {
        match self {
            Self::Deployed { stack, deploy } => {
                let output = OutputName::new(declared);
                let value = stack.output(output.as_str()).with_context(|| {
                    format!(
                        "the stack {} has no output {output}\n  help: {deploy} updates it",
                        stack.name
                    )
                })?;
                Ok(value.to_owned())
            }
            Self::Local {
                prefix,
                suffix,
                stack,
            } => Ok(local(prefix, suffix, stack)),
        }
    }
}
