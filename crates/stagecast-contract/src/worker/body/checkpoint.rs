//! `checkpoint`.

use super::{InvalidBody, nesting};
use crate::{limits::MAX_WORKER_CHECKPOINT_BYTES, reading, worker::CheckpointEvent};

/// Parses the checkpoint at `path`.
pub(super) fn read(path: &str, text: &str) -> Result<CheckpointEvent, InvalidBody> {
    let checkpoint: CheckpointEvent = reading::object(path, text)?;
    let field = format!("{path}.state");
    let bytes = checkpoint.state.get().len();
    if bytes > MAX_WORKER_CHECKPOINT_BYTES {
        let problem = format!(
            "has {bytes} bytes of JSON; send at most {MAX_WORKER_CHECKPOINT_BYTES}, and keep large data \
             elsewhere with its place in the state"
        );
        let mut error = InvalidBody::field(field, problem);
        error.details["max_bytes"] = MAX_WORKER_CHECKPOINT_BYTES.into();
        return Err(error);
    }
    nesting::check(&field, &checkpoint.state)?;
    Ok(checkpoint)
}

#[cfg(test)]
mod tests {
    use super::{
        super::events::tests::{event, parse_error, with_event},
        *,
    };
    use crate::{limits::MAX_RESULTS_DEPTH, worker::WorkerEvent};

    fn checkpoint(state: &str) -> String {
        format!(r#"{{"type":"checkpoint","stage":"a","state":{state}}}"#)
    }

    #[test]
    fn state_is_kept_byte_for_byte() {
        for state in ["12.917521550408111", r#"{ "b": 1e400, "a": -0 }"#, "null"] {
            let WorkerEvent::Checkpoint(read) = event(&checkpoint(state)) else {
                panic!("another event");
            };
            assert_eq!((read.stage.as_str(), read.state.get()), ("a", state));
        }
    }

    #[test]
    fn state_is_limited_in_size_and_depth() {
        let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
        event(&checkpoint(&text(MAX_WORKER_CHECKPOINT_BYTES)));
        let error = parse_error(&with_event(&checkpoint(&text(
            MAX_WORKER_CHECKPOINT_BYTES + 1,
        ))));
        assert_eq!(error.details["field"], "events[0].state");
        assert_eq!(error.details["max_bytes"], MAX_WORKER_CHECKPOINT_BYTES);
        assert!(error.message.contains("262145 bytes"), "{error}");
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        event(&checkpoint(&nested(MAX_RESULTS_DEPTH)));
        let error = parse_error(&with_event(&checkpoint(&nested(MAX_RESULTS_DEPTH + 1))));
        assert_eq!(error.details["field"], "events[0].state");
        let missing = parse_error(&with_event(r#"{"type":"checkpoint","stage":"a"}"#));
        assert_eq!(missing.details["field"], "events[0].state");
    }
}
