//! `infra-gen worker-tokens`.

use std::io::{self, Write};

use anyhow::bail;
use clap::{Args, Subcommand};
use stagecast_contract::{
    tables::WorkQueues,
    worker_queues::QueueName,
    worker_tokens::{TokenQueues, WorkerTokenRecord},
};
use typed_contract::tables::Table as _;

use super::{
    columns::aligned, outcome::CommandOutcome, runtime::block_on, stack_names::StackNames,
    stack_options::StackOptions,
};
use crate::{
    deploy::{AwsSession, WorkerTokens},
    project::Project,
};

/// Longest name of a token, in bytes.
const MAX_NAME_BYTES: usize = 64;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it. It cannot be printed again.
    Create(Create),
    /// List the tokens, without their secrets.
    List {
        #[command(flatten)]
        stack: StackOptions,
    },
    /// Delete a token. Workers with it are refused from their next request on.
    Revoke {
        #[command(flatten)]
        stack: StackOptions,
        /// The id of the token: the 16 digits after `stw_`.
        #[arg(value_name = "ID", value_parser = token_id)]
        id: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    #[command(flatten)]
    stack: StackOptions,
    /// What the token is for, such as the host of its workers.
    #[arg(long, value_name = "NAME", value_parser = token_name)]
    name: String,
    /// A queue that the token claims from; may be repeated.
    #[arg(
        long = "queue",
        value_name = "QUEUE",
        required_unless_present = "all_queues"
    )]
    queues: Vec<String>,
    /// Let the token claim from all queues of the product, future ones included.
    #[arg(long, conflicts_with = "queues")]
    all_queues: bool,
    /// Days until the token expires. Default: it does not.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires_in_days: Option<u32>,
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    match &arguments.action {
        Action::Create(create) => {
            let queues = create.queues(project)?;
            let token = block_on(async {
                let session = create.stack.session().await?;
                let table = table(project, &create.stack, &session).await?;
                let tokens = WorkerTokens::new(&session, table);
                let name = create.name.clone();
                Ok(tokens.create(name, queues, create.expires_in_days).await?)
            })?;
            writeln!(io::stdout(), "{}", token.reveal())?;
            writeln!(
                io::stderr(),
                "The worker token '{}' is valid now. It is not shown again: store it as a secret of the workers.",
                create.name
            )?;
        }
        Action::List { stack } => {
            let records = block_on(async {
                let session = stack.session().await?;
                let table = table(project, stack, &session).await?;
                Ok(WorkerTokens::new(&session, table).list().await?)
            })?;
            io::stdout().write_all(listed(&records).as_bytes())?;
        }
        Action::Revoke { stack, id } => {
            let is_deleted = block_on(async {
                let session = stack.session().await?;
                let table = table(project, stack, &session).await?;
                Ok(WorkerTokens::new(&session, table).revoke(id).await?)
            })?;
            if !is_deleted {
                bail!(
                    "there is no worker token with the id {id}\n  help: `infra-gen worker-tokens list{}` prints the ids",
                    stack.to_shell()
                );
            }
            writeln!(io::stderr(), "The worker token {id} is revoked.")?;
        }
    }
    Ok(CommandOutcome::Done)
}

impl Create {
    fn queues(&self, project: Project) -> anyhow::Result<TokenQueues> {
        if self.all_queues {
            return Ok(TokenQueues::All);
        }
        let declared = project.product.worker_queues;
        let mut queues: Vec<QueueName> = Vec::new();
        for name in &self.queues {
            if !declared.contains(&name.as_str()) {
                let help = if declared.is_empty() {
                    "declare it in the product's `worker_queues`".to_owned()
                } else {
                    format!("use one of {}", declared.join(", "))
                };
                bail!("the product declares no queue '{name}'\n  help: {help}");
            }
            let queue = name.parse()?;
            if !queues.contains(&queue) {
                queues.push(queue);
            }
        }
        Ok(TokenQueues::Only(queues))
    }
}

/// The name of the stack's table of tokens.
async fn table(
    project: Project,
    options: &StackOptions,
    session: &AwsSession,
) -> anyhow::Result<String> {
    let names = StackNames::find(project, options, session).await?;
    names.table(WorkQueues::SPEC)
}

fn listed(records: &[WorkerTokenRecord]) -> String {
    if records.is_empty() {
        return "There are no worker tokens.\n".to_owned();
    }
    let rows = records.iter().map(|record| {
        let queues = match &record.queues {
            TokenQueues::All => "all queues".to_owned(),
            TokenQueues::Only(queues) => {
                let names: Vec<_> = queues.iter().map(QueueName::as_str).collect();
                names.join(", ")
            }
        };
        let expiry = record.expiry();
        [
            record.id().to_owned(),
            record.created_at.to_string(),
            expiry.map_or("never".to_owned(), |expiry| expiry.to_string()),
            queues,
            record.name.clone(),
        ]
    });
    let headings = ["ID", "CREATED", "EXPIRES", "QUEUES", "NAME"].map(str::to_owned);
    aligned([headings].into_iter().chain(rows))
}

fn token_id(text: &str) -> Result<String, String> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 16 && text.bytes().all(is_digit) {
        return Ok(text.to_owned());
    }
    // The argument may be a whole token, which must not be shown.
    Err("give the 16 digits after `stw_`; `infra-gen worker-tokens list` prints them".to_owned())
}

fn token_name(text: &str) -> Result<String, String> {
    let is_visible = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if is_visible && text.len() <= MAX_NAME_BYTES {
        return Ok(text.to_owned());
    }
    Err(format!(
        "give a name of 1 to {MAX_NAME_BYTES} bytes in one line"
    ))
}

#[cfg(test)]
mod tests {
    use stagecast_contract::{ids::WorkerToken, timestamp::Timestamp};

    use super::*;
    use crate::test_product;

    fn create(queues: &[&str], all_queues: bool) -> Create {
        #[derive(Debug, clap::Parser)]
        struct Command {
            #[command(flatten)]
            create: Create,
        }
        let queues = queues.iter().flat_map(|queue| ["--queue", queue]);
        let all = all_queues.then_some("--all-queues");
        let arguments = ["create", "--name", "ci"]
            .into_iter()
            .chain(queues)
            .chain(all);
        <Command as clap::Parser>::parse_from(arguments).create
    }

    #[test]
    fn undeclared_queue_is_refused_with_the_declared_ones() {
        let project = test_product::project();
        assert!(project.product.worker_queues.contains(&"plans"));
        let queues = create(&["plans", "plans"], false).queues(project);
        let plans = "plans".parse().expect("a name");
        assert_eq!(queues.expect("declared"), TokenQueues::Only(vec![plans]));
        let all = create(&[], true).queues(project).expect("all");
        assert_eq!(all, TokenQueues::All);
        let error = create(&["gpus"], false)
            .queues(project)
            .expect_err("undeclared");
        let error = error.to_string();
        assert!(
            error.contains("'gpus'") && error.contains("plans"),
            "{error}"
        );
    }

    #[test]
    fn list_has_no_secret() {
        let now = Timestamp::from_epoch_seconds(1_800_000_000);
        let token = WorkerToken::new([1; 8], [2; 16]);
        let record = |name: &str, queues, expiry| {
            WorkerTokenRecord::new(&token, name.to_owned(), queues, now, expiry).expect("valid")
        };
        let plans = vec!["plans".parse().expect("a name")];
        let listed = listed(&[
            record("ci", TokenQueues::All, None),
            record(
                "gpu host",
                TokenQueues::Only(plans),
                Some(now.plus_seconds(60)),
            ),
        ]);
        assert!(!listed.contains(&"02".repeat(16)), "{listed}");
        assert_eq!(
            listed,
            "ID                CREATED               EXPIRES               QUEUES      NAME\n\
             0101010101010101  2027-01-15T08:00:00Z  never                 all queues  ci\n\
             0101010101010101  2027-01-15T08:00:00Z  2027-01-15T08:01:00Z  plans       gpu host\n"
        );
    }

    #[test]
    fn whole_token_is_not_taken_as_an_id_and_not_shown() {
        let token = WorkerToken::new([1; 8], [2; 16]);
        let error = token_id(token.reveal()).expect_err("a token");
        assert!(!error.contains("0202"), "{error}");
        assert_eq!(
            token_id("0101010101010101").as_deref(),
            Ok("0101010101010101")
        );
    }
}
