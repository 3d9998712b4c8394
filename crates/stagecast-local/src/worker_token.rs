//! The worker token of the stack on this machine: for all queues, new at each start unless
//! `STAGECAST_WORKER_TOKEN` has one.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use local_aws::LocalStack;
use serde_json::{Value, json};
use stagecast_contract::{
    ids::WorkerToken,
    tables::WorkQueues,
    timestamp::Timestamp,
    worker_tokens::{TokenQueues, WorkerTokenRecord},
};
use typed_contract::tables::Table as _;

use crate::Local;

/// The environment variable with the token.
const VARIABLE: &str = "STAGECAST_WORKER_TOKEN";

/// The id of a new token. Each start replaces the token of the one before.
const ID: [u8; 8] = [0; 8];

/// Checks the token in the environment before the stack starts.
pub(crate) fn check_variable() -> anyhow::Result<()> {
    given()?;
    Ok(())
}

fn given() -> anyhow::Result<Option<WorkerToken>> {
    let Some(text) = env::var_os(VARIABLE).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let token = WorkerToken::from_client(text.to_string_lossy());
    ensure!(
        token.id().is_some(),
        "{VARIABLE} is not a worker token: write it as stw_, 16 hexadecimal digits, _, 32 hexadecimal digits, \
         or unset it for a new one"
    );
    Ok(Some(token))
}

/// Stores the token of this start in the table. None for a product without queues.
pub(crate) fn make(local: &Local, stack: &LocalStack) -> anyhow::Result<Option<WorkerToken>> {
    let project = local.project;
    if project.product.worker_queues.is_empty() {
        return Ok(None);
    }
    let token = match given()? {
        Some(token) => token,
        None => new_token()?,
    };
    let name = "cargo dev".to_owned();
    let record = WorkerTokenRecord::new(&token, name, TokenQueues::All, now(), None);
    let record = serde_json::to_value(record.context("the worker token has no id")?)?;
    let environment = project.development()?;
    let table = format!(
        "{}{}{}",
        project.product.name_prefix,
        WorkQueues::SPEC.name,
        environment.name_suffix.as_str()
    );
    stack.put_item(&table, &item(&record))?;
    Ok(Some(token))
}

/// A record as an item in DynamoDB's JSON. It has only texts and numbers.
fn item(record: &Value) -> Value {
    let fields = record.as_object().into_iter().flatten();
    let attributes = fields.map(|(name, value)| {
        let attribute = match value {
            Value::Number(number) => json!({"N": number.to_string()}),
            other => json!({"S": other}),
        };
        (name.clone(), attribute)
    });
    Value::Object(attributes.collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the token of each start is another one"
)]
fn new_token() -> anyhow::Result<WorkerToken> {
    let mut secret = [0; 16];
    getrandom::fill(&mut secret).context("the operating system returns no random bytes")?;
    Ok(WorkerToken::new(ID, secret))
}

#[expect(clippy::disallowed_methods, reason = "the time of this start")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    Timestamp::from_epoch_seconds(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_has_the_attributes_of_the_record() {
        let token = new_token().expect("random bytes");
        let now = Timestamp::from_epoch_seconds(1_800_000_000);
        let record = WorkerTokenRecord::new(&token, "dev".to_owned(), TokenQueues::All, now, None);
        let item = item(&serde_json::to_value(record).expect("JSON"));
        assert_eq!(item["queue"]["S"], "#worker_tokens");
        assert_eq!(item["entry"]["S"], "0000000000000000");
        assert_eq!(item["queues"]["S"], "all");
        assert_eq!(item["expires_at"]["N"], "253402300799");
        let attributes = item.as_object().expect("an object");
        assert!(
            attributes
                .values()
                .all(|it| it.get("S").is_none_or(Value::is_string))
        );
    }
}
