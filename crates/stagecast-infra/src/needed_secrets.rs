//! The secrets and parameters that functions read, which no stack creates.

use stagecast_contract::webhooks::WebhookSecret;
use typed_contract::{functions::FunctionSpec, grants::GrantedOn, secrets::Secret as _};

use crate::environments::Environment;

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

/// The secrets and parameters of these functions in the environment's stack: one for each grant. That of webhooks is
/// needed only if the environment has webhooks.
pub fn needed_secrets(
    functions: &[&'static FunctionSpec],
    environment: &Environment,
) -> Vec<NeededSecret> {
    let suffix = environment.name_suffix.as_str();
    let mut needed = Vec::new();
    for function in functions {
        for grant in function.grants {
            let (kind, name) = match grant.on {
                GrantedOn::Secret(secret)
                    if secret == WebhookSecret::SPEC && !environment.webhooks.is_on() =>
                {
                    continue;
                }
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
    use stagecast_contract::functions::WebhooksFunction;
    use typed_contract::functions::{Function as _, Trigger};

    use super::*;
    use crate::environments::{WebhookEndpoint, Webhooks};

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
    fn secret_of_webhooks_is_needed_by_an_environment_with_webhooks() {
        let functions = [WebhooksFunction::SPEC];
        assert_eq!(needed_secrets(&functions, &Environment::prod()), []);
        let endpoint = WebhookEndpoint::new("https://hooks.example.com/").expect("a URL");
        let environment = Environment {
            webhooks: Webhooks::Endpoint(endpoint),
            ..Environment::prod()
        };
        let needed = needed_secrets(&functions, &environment);
        let names: Vec<_> = needed.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["stagecast/webhook-secret-prod"]);
    }

    #[test]
    fn secret_has_the_suffix_of_the_stack() {
        let needed = needed_secrets(&[BillingFunction::SPEC], &Environment::prod());
        let [secret] = &needed[..] else {
            panic!("{needed:?}");
        };
        let texts = (secret.kind, &*secret.name, secret.function);
        assert_eq!(texts, ("secret", "billing/api-key-prod", "billing"));
    }
}
