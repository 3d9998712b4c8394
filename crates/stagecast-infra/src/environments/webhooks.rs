//! Webhooks of an environment.

use stagecast_contract::webhooks::{WebhookEndpoint, WebhookRules, WebhookUrl};

/// Largest number of hosts that callers can choose: Lambda limits the size of all environment variables together.
const MAX_HOSTS: usize = 20;

/// Which jobs have webhooks, and where these are posted.
///
/// ```
/// use stagecast_infra::environments::{WebhookEndpoint, Webhooks};
///
/// let endpoint = WebhookEndpoint::new("https://hooks.example.com/stagecast")?;
/// let webhooks = Webhooks::Endpoint(endpoint);
/// let hosts = ["hooks.example.com", "billing.example.com:8443"];
/// let by_callers = Webhooks::chosen_by_callers(&hosts, None)?;
/// # let _ = (webhooks, by_callers);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Webhooks {
    /// No job has one.
    #[default]
    Off,
    /// The events of all jobs are posted to this endpoint. A job's description can name other events.
    Endpoint(WebhookEndpoint),
    /// A job's description can name a URL of these hosts: see [`Self::chosen_by_callers`].
    ChosenByCallers {
        /// The endpoint of the jobs whose description names no URL.
        default: Option<WebhookEndpoint>,
        /// The hosts.
        hosts: WebhookHosts,
    },
}

/// The hosts that callers can choose for webhooks. All of them verify webhooks with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookHosts(Vec<String>);

/// Why callers cannot choose a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookHost {
    /// It is not the name of a host.
    #[error(
        "'{0}' is not a host for webhooks: write a full name in lower-case letters, with its port unless that is 443, \
         such as hooks.example.com"
    )]
    Invalid(String),
    /// There are too many, or none.
    #[error(
        "there are {0} hosts for webhooks; list 1 to {MAX_HOSTS}, or receive webhooks at one and pass them on"
    )]
    Number(usize),
}

impl Webhooks {
    /// A job's description can name a URL of these hosts, each with its port unless that is 443. The events of jobs
    /// without one are posted to `default`.
    pub fn chosen_by_callers(
        hosts: &[&str],
        default: Option<WebhookEndpoint>,
    ) -> Result<Self, InvalidWebhookHost> {
        if hosts.is_empty() || hosts.len() > MAX_HOSTS {
            return Err(InvalidWebhookHost::Number(hosts.len()));
        }
        let checked = hosts.iter().map(|host| {
            let url = format!("https://{host}").parse::<WebhookUrl>();
            let is_host = url.is_ok_and(|url| url.authority() == *host);
            if is_host && !host.contains(['/', '?']) {
                Ok((*host).to_owned())
            } else {
                Err(InvalidWebhookHost::Invalid((*host).to_owned()))
            }
        });
        Ok(Self::ChosenByCallers {
            default,
            hosts: WebhookHosts(checked.collect::<Result<_, _>>()?),
        })
    }

    /// Whether a job can have a webhook. If so, the functions read the secret that signs them.
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }

    /// The value of the setting [`Webhooks`](stagecast_contract::environment::Webhooks).
    pub(crate) fn setting(&self) -> String {
        let (endpoint, hosts) = match self {
            Self::Off => (None, Vec::new()),
            Self::Endpoint(endpoint) => (Some(endpoint.clone()), Vec::new()),
            Self::ChosenByCallers { default, hosts } => (default.clone(), hosts.0.clone()),
        };
        let rules = WebhookRules {
            endpoint,
            hosts,
            allow_loopback: false,
        };
        rules.to_setting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_with_a_path_an_address_or_port_443_is_refused() {
        for host in [
            "",
            "*.example.com",
            "https://hooks.example.com",
            "hooks.example.com/a",
            "hooks.example.com?a",
            "hooks.example.com:443",
            "me@hooks.example.com",
            "10.0.0.1",
            "localhost",
        ] {
            let error = Webhooks::chosen_by_callers(&[host], None);
            assert_eq!(error, Err(InvalidWebhookHost::Invalid(host.to_owned())));
        }
        assert_eq!(
            Webhooks::chosen_by_callers(&[], None),
            Err(InvalidWebhookHost::Number(0))
        );
    }

    #[test]
    fn setting_is_empty_without_webhooks_and_never_permits_this_machine() {
        assert_eq!(Webhooks::Off.setting(), "");
        let webhooks = Webhooks::chosen_by_callers(&["hooks.example.com"], None).expect("a host");
        let rules = WebhookRules::parse(&webhooks.setting()).expect("rules");
        assert_eq!(rules.hosts, ["hooks.example.com"]);
        assert!(!rules.allow_loopback);
    }
}
