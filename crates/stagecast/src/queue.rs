//! A product's own consumers of queues.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use granted_aws::{Aws, Environment, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use stagecast_core::batch;
use typed_contract::{
    functions::{Function, check_consumes},
    queues::Queue,
};

/// Handles the messages of the queue `Q` in the product's own function `F`, one after the other, until Lambda
/// ends the process. `build` creates what all messages share, such as a [`Database`](granted_aws::Database).
///
/// A message whose `handle` fails stays on the queue: it is received again after the queue's visibility timeout,
/// and moves to the dead-letter queue after `max_receives` receives. A message may also be received again
/// although it was handled, so `handle` must be idempotent.
///
/// ```no_run
/// # use typed_contract::{functions::Trigger, queues::Queue as _};
/// # typed_contract::queue! {
/// #     /// Imports to announce, by their ids.
/// #     Announcements = "announcements" in "ANNOUNCEMENTS_QUEUE_URL" {
/// #         message: String,
/// #         visibility_timeout_seconds: 60,
/// #         max_receives: 5,
/// #     }
/// # }
/// # typed_contract::function! {
/// #     /// Announces imports.
/// #     AnnounceFunction = "announce" {
/// #         memory_mib: 256,
/// #         timeout_seconds: 60,
/// #         retry_budget_seconds: 0,
/// #         triggers: [Trigger::Queue { queue: Announcements::SPEC, batch_size: 10 }],
/// #         grants: {},
/// #         settings: [],
/// #     }
/// # }
/// fn main() -> Result<(), stagecast::Error> {
///     stagecast::queue::serve::<AnnounceFunction, Announcements, _>(
///         |_aws, _environment| Ok(()),
///         async |(), import_id| {
///             println!("the import {import_id} has ended");
///             Ok(())
///         },
///     )
/// }
/// ```
#[expect(
    clippy::needless_pass_by_value,
    reason = "a closure is written at the call"
)]
pub fn serve<F: Function, Q: Queue, S>(
    build: impl FnOnce(&Aws, &Environment<F>) -> Result<S, Error>,
    handle: impl AsyncFn(&S, Q::Message) -> Result<(), Error>,
) -> Result<(), Error> {
    const { check_consumes(F::SPEC, Q::SPEC) };
    crate::runtime()?.block_on(async {
        telemetry::init();
        let environment = Environment::load()?;
        let aws = granted_aws::load().await;
        let state = build(&aws, &environment)?;
        aws.warm(&environment).await;
        lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
            Ok::<_, Error>(Box::pin(consume::<Q, S>(&state, event.payload, &handle)).await)
        }))
        .await
    })
}

async fn consume<Q: Queue, S>(
    state: &S,
    event: SqsEvent,
    handle: &impl AsyncFn(&S, Q::Message) -> Result<(), Error>,
) -> SqsBatchResponse {
    batch::handle_each(event, async |message: &SqsMessage| {
        let body = message.body.as_deref().unwrap_or_default();
        let result = match serde_json::from_str(body) {
            Ok(parsed) => handle(state, parsed).await,
            Err(error) => Err(error.into()),
        };
        result.inspect_err(|error| {
            let id = message.message_id.as_deref();
            tracing::error!(message_id = id, %error, "a message failed; it stays on the queue");
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    typed_contract::queue! {
        /// Imports to announce, by their ids.
        Announcements = "announcements" in "ANNOUNCEMENTS_QUEUE_URL" {
            message: String,
            visibility_timeout_seconds: 60,
            max_receives: 5,
        }
    }

    #[tokio::test]
    async fn failed_and_invalid_messages_stay_on_the_queue() {
        let bodies = [r#""import-1""#, "no JSON", r#""fails""#, r#""import-2""#];
        let mut event = SqsEvent::default();
        for (index, body) in bodies.into_iter().enumerate() {
            let mut message = SqsMessage::default();
            message.message_id = Some(format!("m-{index}"));
            message.body = Some(body.to_owned());
            event.records.push(message);
        }
        let handled = RefCell::new(Vec::new());
        let handle = async |handled: &RefCell<Vec<String>>, import_id: String| {
            if import_id == "fails" {
                return Err("this one fails".into());
            }
            handled.borrow_mut().push(import_id);
            Ok(())
        };
        let response = consume::<Announcements, _>(&handled, event, &handle).await;
        let failures = response.batch_item_failures.iter();
        let failures: Vec<_> = failures.map(|it| it.item_identifier.as_str()).collect();
        assert_eq!(failures, ["m-1", "m-2"]);
        assert_eq!(handled.into_inner(), ["import-1", "import-2"]);
    }
}
