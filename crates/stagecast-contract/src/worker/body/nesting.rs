//! The depth of any JSON in an event.

use raw_json::RawJson;

use super::InvalidBody;
use crate::limits::MAX_RESULTS_DEPTH;

/// Checks the depth of the JSON in the field at `path`.
pub(super) fn check(path: &str, json: &RawJson) -> Result<(), InvalidBody> {
    let depth = json.depth();
    if depth > MAX_RESULTS_DEPTH {
        let problem = format!(
            "arrays and objects are nested {depth} levels deep; send at most {MAX_RESULTS_DEPTH}"
        );
        return Err(InvalidBody::field(path, problem));
    }
    Ok(())
}
