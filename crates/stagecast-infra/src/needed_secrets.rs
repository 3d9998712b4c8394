//! The secrets and parameters that functions read, which no stack creates.

use typed_contract::{functions::FunctionSpec, grants::GrantedOn};

/// A secret or a parameter that a function reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededSecret {
    /// `secret` or `parameter`.
    pub kind: &'static str,
    /// Its name in the stack.
    pub name: String,
    /// The name of the function.
    pub function: &'static str,
}

/// The secrets and parameters of these functions, in a stack whose names have this suffix: one for each grant.
pub fn needed_secrets(functions: &[&'static FunctionSpec], suffix: &str) -> Vec<NeededSecret> {
    let mut needed = Vec::new();
    for function in functions {
        for grant in function.grants {
            let (kind, name) = match grant.on {
                GrantedOn::Secret(secret) => ("secret", secret.name),
                GrantedOn::Parameter(parameter) => ("parameter", parameter.name),
                _ => continue,
            };
            needed.push(NeededSecret {
                kind,
                name: name.replace("{suffix}", suffix),
                function: function.name,
            });
        }
    }
    needed
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
    fn secret_has_the_suffix_of_the_stack() {
        let needed = needed_secrets(&[BillingFunction::SPEC], "-prod");
        let [secret] = &needed[..] else {
            panic!("{needed:?}");
        };
        let texts = (secret.kind, &*secret.name, secret.function);
        assert_eq!(texts, ("secret", "billing/api-key-prod", "billing"));
    }
}
