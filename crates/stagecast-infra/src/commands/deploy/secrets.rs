//! Names the secrets and parameters that a new stack needs and does not create.

use std::collections::BTreeSet;

use super::context::DeployRequest;
use crate::{
    commands::terminal::Terminal,
    needed_secrets::{NeededSecret, needed_secrets},
};

/// Warns that a new stack's functions read secrets or parameters, which have to exist before the first job.
pub(super) fn warn_of_needed(request: &DeployRequest, is_new: bool, terminal: &Terminal) {
    let needed = texts(&needed_secrets(
        &request.project.product.all_functions(),
        &request.environment,
    ));
    if is_new && !needed.is_empty() {
        terminal.warn(format!(
            "the functions read {}, which the stack does not create\n  help: create what is missing in this \
             account and region before the first job; until then, it fails",
            needed.join(", ")
        ));
    }
}

/// The names for a sentence, each once.
fn texts(needed: &[NeededSecret]) -> Vec<String> {
    let texts = needed
        .iter()
        .map(|it| format!("the {} '{}'", it.kind, it.name));
    texts.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_of_two_functions_is_named_once() {
        let needed = ["billing", "shipping"].map(|function| NeededSecret {
            kind: "secret",
            name: "billing/api-key".to_owned(),
            function,
        });
        assert_eq!(texts(&needed), ["the secret 'billing/api-key'"]);
    }
}
