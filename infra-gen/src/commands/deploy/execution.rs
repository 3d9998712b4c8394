//! Executing a change set, and what becomes of it if someone stops that.

use std::{
    cell::RefCell,
    io::{self, Write},
};

use anyhow::anyhow;
use contract::input::INPUT;
use infra_gen::{
    deploy::{ChangeSet, ChangeSetRequest, DeployedStack, Events, Naming, Session, StackState},
    template::Template,
};

use super::{Arguments, preflight::DeployContext};
use crate::{
    Outcome,
    commands::{
        operation::{Operation, failure},
        terminal::Terminal,
    },
};

/// How far a deployment is, for whoever stops it.
#[derive(Debug)]
pub(super) enum InterruptState {
    /// The stack has not been touched.
    Nothing,
    /// There is a change set, or there is about to be one.
    Planned {
        session: Session,
        request: ChangeSetRequest,
    },
    /// CloudFormation is at work.
    Executing { session: Session, stack_id: String },
}

impl InterruptState {
    /// CloudFormation is at work on a stack, whoever has begun it.
    pub(super) fn executing(session: &Session, stack_id: &str) -> Self {
        Self::Executing {
            session: session.clone(),
            stack_id: stack_id.to_owned(),
        }
    }

    /// Has CloudFormation execute what was planned. Whoever stops it just then has to know that it
    /// may have begun.
    pub(super) async fn execute(
        interrupt_state: &RefCell<Self>,
        change_set: &ChangeSet,
        session: &Session,
        name: &str,
    ) -> anyhow::Result<()> {
        let planned = interrupt_state.replace(Self::executing(session, &change_set.stack_id));
        let result = change_set.execute(session, name).await;
        if result.is_err() {
            interrupt_state.replace(planned);
        }
        Ok(result?)
    }

    /// Takes away what was planned.
    pub(super) async fn discard(self) {
        if let Self::Planned { session, request } = self {
            request.discard(&session).await;
        }
    }

    /// What is said to whoever has stopped a deployment.
    pub(super) async fn interrupted(
        interrupt_state: &RefCell<Self>,
        arguments: &Arguments,
    ) -> anyhow::Error {
        let (session, stack_id) = match &*interrupt_state.borrow() {
            Self::Nothing | Self::Planned { .. } => {
                return anyhow!("interrupted; the stack is as it was");
            }
            Self::Executing { session, stack_id } => (session.clone(), stack_id.clone()),
        };
        let again = arguments.repeat();
        let Ok(Some(stack)) = DeployedStack::find(&session, &stack_id).await else {
            return anyhow!(
                "interrupted; CloudFormation goes on with the changes by itself\n  how to go on: \
                 run `infra-gen deploy{again}` again"
            );
        };
        let DeployedStack { name, status, .. } = stack;
        if status.state() != StackState::Busy {
            return anyhow!(
                "interrupted; the stack {name} is {status}: {}\n  how to go on: run `infra-gen \
                 deploy{again}` again",
                status.meaning()
            );
        }
        let Naming { options, aws, .. } = arguments.target.naming(&name);
        let undo = match status.as_str() {
            "UPDATE_IN_PROGRESS" => format!(
                "; `aws cloudformation cancel-update-stack --stack-name {name}{aws}` undoes it"
            ),
            "CREATE_IN_PROGRESS" => format!("; `infra-gen destroy{options}` deletes it"),
            _ => String::new(),
        };
        anyhow!(
            "interrupted; the stack {name} is {status}: {}, and CloudFormation goes on by itself\n  \
             how to go on: `infra-gen deploy{again}` watches it to its end{undo}",
            status.meaning()
        )
    }
}

/// Executes a change set and tells what happens.
pub(super) async fn execute(
    context: &DeployContext,
    template: &Template,
    change_set: &ChangeSet,
    interrupt_state: &RefCell<InterruptState>,
    terminal: &mut Terminal,
    arguments: &Arguments,
) -> anyhow::Result<Outcome> {
    let (session, name) = (&context.session, context.name.as_str());
    let mut events = Events::from_now(session, &change_set.stack_id, name).await?;
    InterruptState::execute(interrupt_state, change_set, session, name).await?;
    let again = format!(
        "`infra-gen deploy{}` watches it to its end",
        arguments.repeat()
    );
    let operation = Operation {
        session,
        stack: name,
        total: change_set.changes.len(),
        go_on: &again,
    };
    let ending = operation.follow(terminal, &mut events).await?;
    interrupt_state.replace(InterruptState::Nothing);
    if !ending.status.is_success() {
        let next = "mend the cause, then deploy again";
        let naming = arguments.target.naming(name);
        return Err(failure(&naming, &ending, Some(template), next));
    }
    terminal.done(format!("{name} is {}", ending.status));
    if let Some(stack) = DeployedStack::find(session, name).await? {
        io::stdout()
            .write_all(invitation(&|name| stack.output(name), session.endpoint()).as_bytes())?;
    }
    Ok(Outcome::Done)
}

/// The addresses of the HTTP API and of the WebSocket API, as far as the outputs have them. The outputs
/// are addresses at AWS; emulators serve the APIs below their own endpoint.
fn addresses<'a>(
    output: &impl Fn(&str) -> Option<&'a str>,
    endpoint: Option<&str>,
) -> [Option<String>; 2] {
    let at_emulator = |api: &str, stage: Option<&str>| {
        let base = format!("{}/_aws/execute-api", endpoint?.trim_end_matches('/'));
        let id = output(api)?;
        Some(match stage {
            None => format!("{base}/{id}"),
            // `https` becomes `wss`.
            Some(stage) => format!("{base}/{id}/{stage}").replacen("http", "ws", 1),
        })
    };
    let at_aws = |name: &str| output(name).map(str::to_owned);
    let websocket = output("StageName").and_then(|it| at_emulator("WebSocketApiId", Some(it)));
    [
        at_emulator("HttpApiId", None).or_else(|| at_aws("HttpApiUrl")),
        websocket.or_else(|| at_aws("WebSocketUrl")),
    ]
}

/// Where the system is, and one command to try.
fn invitation<'a>(output: &impl Fn(&str) -> Option<&'a str>, endpoint: Option<&str>) -> String {
    let [http, websocket] = addresses(output, endpoint);
    let urls = [("HTTP API     ", &http), ("WebSocket API", &websocket)];
    let urls = urls.into_iter().filter_map(|(title, url)| {
        let url = url.as_ref()?;
        Some(format!("  {title}  {url}\n"))
    });
    let command = http.as_ref().map(|url| {
        let file = if INPUT.example.is_empty() {
            "FILE"
        } else {
            INPUT.example
        };
        format!(
            "\n  Make a job from {} ({}):\n\n    curl --data-binary @{file} -H \
             'content-type: {}' {url}/v1/jobs\n",
            INPUT.name_with_article(),
            INPUT.labels(),
            INPUT.media_types[0].name,
        )
    });
    let urls: String = urls.collect();
    format!("\n{urls}{}", command.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_to_the_emulator_if_there_is_one() {
        let output = |name: &str| match name {
            "HttpApiUrl" => Some("https://a.example"),
            "HttpApiId" => Some("http1"),
            "WebSocketUrl" => Some("wss://b.example/live"),
            "WebSocketApiId" => Some("ws1"),
            "StageName" => Some("live"),
            _ => None,
        };
        let invited = invitation(&output, None);
        assert!(invited.contains("https://a.example/v1/jobs"), "{invited}");
        assert!(invited.contains("wss://b.example/live"), "{invited}");
        let invited = invitation(&output, Some("https://localhost:4566/"));
        for address in [
            "https://localhost:4566/_aws/execute-api/http1/v1/jobs",
            "wss://localhost:4566/_aws/execute-api/ws1/live",
        ] {
            assert!(invited.contains(address), "{invited}");
        }
        assert!(!invited.contains("example"), "{invited}");
    }

    #[test]
    fn stack_without_outputs_has_no_addresses() {
        let invited = invitation(&|_| None, Some("http://localhost"));
        assert_eq!(invited.trim(), "");
    }
}
