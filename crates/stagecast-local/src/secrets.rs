//! The values of secrets and parameters on this machine: of a file that is not committed, and of the command
//! line.

use std::{collections::BTreeMap, io, path::Path};

use anyhow::{Context as _, anyhow};
use local_aws::LocalSecrets;
use stagecast_infra::{
    environments::Environment,
    needed_secrets::{NeededSecret, needed_secrets},
};
use typed_contract::functions::FunctionSpec;

/// The file with the values, in the workspace: `"name" = "value"`, one a line, in TOML. Git ignores its folder.
pub(crate) const FILE: &str = ".stagecast/secrets.toml";

/// The values of the file, if it exists, and those of `arguments`, which override them.
pub(crate) fn read(
    workspace: &Path,
    arguments: &[(String, String)],
) -> anyhow::Result<LocalSecrets> {
    let text = match std::fs::read_to_string(workspace.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("{FILE} cannot be read"))?,
    };
    let values = parse(&text)?.into_iter().chain(arguments.iter().cloned());
    Ok(values.collect())
}

/// The error has the line, and not its text, which may be a secret.
fn parse(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        anyhow!(
            "{FILE}, line {line}, is not valid: write \"name\" = \"value\", both in quotation marks"
        )
    })
}

/// The secrets and parameters of the functions that have no value, as sentences.
pub(crate) fn missing(
    functions: &[&'static FunctionSpec],
    environment: &Environment,
    secrets: &LocalSecrets,
) -> Vec<String> {
    let needed = needed_secrets(functions, environment);
    let mut sentences = Vec::new();
    for NeededSecret {
        kind,
        name,
        function,
    } in needed
    {
        if !secrets.contains(&name) {
            sentences.push(format!(
                "the {kind} '{name}' of the function '{function}' has no value here: write \"{name}\" = \"...\" \
                 in {FILE}, or pass --secret '{name}=...'"
            ));
        }
    }
    sentences.dedup();
    sentences
}

#[cfg(test)]
mod tests {
    use typed_contract::functions::{Function as _, Trigger};

    use super::*;

    typed_contract::secret! {
        /// The key of the billing service.
        ApiKey = "billing/api-key{suffix}" in "API_KEY"
    }

    typed_contract::function! {
        /// Bills orders.
        BillingFunction = "billing" {
            memory_mib: 256,
            timeout_seconds: 10,
            retry_budget_seconds: 0,
            triggers: [Trigger::HttpRoutes],
            grants: {
                ApiKey: [GetSecretValue],
            },
            settings: [],
        }
    }

    #[test]
    fn values_are_those_of_the_file_and_the_command_line() {
        let workspace = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(workspace.path().join(".stagecast")).expect("a folder");
        let text = "\"billing/api-key\" = \"a\"\nother = \"b\"\n";
        std::fs::write(workspace.path().join(FILE), text).expect("a file");
        let arguments = [("third".to_owned(), "c".to_owned())];
        let secrets = read(workspace.path(), &arguments).expect("values");
        for name in ["billing/api-key", "other", "third"] {
            assert!(secrets.contains(name), "{name}");
        }
        let none = read(Path::new("/nonexistent"), &[]).expect("no values");
        assert!(!none.contains("other"));
    }

    #[test]
    fn invalid_file_is_an_error_with_its_line_and_without_its_text() {
        let error = parse("a = \"b\"\nkey = hunter2\n").expect_err("no quotation marks");
        let text = format!("{error:#}");
        assert!(text.contains("line 2"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn secret_without_a_value_is_named_with_the_suffix() {
        let environment = Environment::prod();
        let functions = [BillingFunction::SPEC];
        let sentences = missing(&functions, &environment, &LocalSecrets::default());
        let [sentence] = &sentences[..] else {
            panic!("{sentences:?}");
        };
        assert!(sentence.contains("'billing/api-key-prod'"), "{sentence}");
        let secrets = [("billing/api-key-prod", "x")].into_iter().collect();
        assert!(missing(&functions, &environment, &secrets).is_empty());
    }
}
