//! Webhooks: which durable messages of a job are posted, and to which URL.
//!
//! The format is that of [Standard Webhooks](https://www.standardwebhooks.com). A job's item has its
//! [`JobWebhook`]; the environment's [`WebhookRules`] have the endpoint of all jobs, and the hosts that callers can
//! choose.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use crate::webhook_secret::WebhookSecret;
use crate::{
    ids::JobId,
    limits::{MAX_WEBHOOK_URL_BYTES, truncate_with_ellipsis},
    worker::InvalidBody,
};

/// A durable message that can be posted as a webhook, by its `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WebhookEvent {
    /// A stage has finished.
    StageComplete,
    /// The job has completed.
    JobComplete,
    /// The job has failed.
    JobFailed,
    /// The job was cancelled.
    JobCancelled,
}

impl WebhookEvent {
    /// The events that end a job: those of a webhook that names none.
    pub const TERMINAL: [Self; 3] = [Self::JobComplete, Self::JobFailed, Self::JobCancelled];

    /// The `type` of the message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StageComplete => "stage_complete",
            Self::JobComplete => "job_complete",
            Self::JobFailed => "job_failed",
            Self::JobCancelled => "job_cancelled",
        }
    }
}

/// The webhook in a description of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DescribedWebhook {
    /// Where the events are posted: an `https` URL of at most 500 bytes, of a host that the environment permits. The
    /// environment's endpoint if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The events that are posted, at least one. Those of the environment's endpoint if absent; without an endpoint,
    /// `job_complete`, `job_failed` and `job_cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<WebhookEvent>>,
}

/// The webhook of a job, as its item has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobWebhook {
    /// The URL that the caller has chosen. None: the endpoint of the environment at the time of the post.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebhookUrl>,
    /// The events that are posted. The default is not stored: each progress update pays for the size of the item.
    #[serde(default = "terminal", skip_serializing_if = "is_terminal")]
    pub events: Vec<WebhookEvent>,
}

impl JobWebhook {
    /// Whether the event is posted.
    pub fn has(&self, event: WebhookEvent) -> bool {
        self.events.contains(&event)
    }
}

fn terminal() -> Vec<WebhookEvent> {
    WebhookEvent::TERMINAL.to_vec()
}

fn is_terminal(events: &[WebhookEvent]) -> bool {
    *events == WebhookEvent::TERMINAL
}

/// An endpoint of the environment: it receives the events of all jobs.
///
/// ```
/// use stagecast_contract::webhooks::{WebhookEndpoint, WebhookEvent};
///
/// let endpoint = WebhookEndpoint::new("https://hooks.example.com/stagecast")?;
/// assert!(!endpoint.events().contains(&WebhookEvent::StageComplete));
/// let endpoint = endpoint.with_events(&[WebhookEvent::StageComplete, WebhookEvent::JobComplete]);
/// assert!(endpoint.events().contains(&WebhookEvent::StageComplete));
/// # Ok::<(), stagecast_contract::webhooks::InvalidWebhookUrl>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEndpoint {
    url: WebhookUrl,
    #[serde(default = "terminal")]
    events: Vec<WebhookEvent>,
}

impl WebhookEndpoint {
    /// An endpoint that receives the events that end a job.
    pub fn new(url: &str) -> Result<Self, InvalidWebhookUrl> {
        let endpoint = Self::of_local_stack(url)?;
        if endpoint.url.is_loopback() {
            let problem = "it names this machine, to which only `cargo dev --webhook` posts; give that of a service";
            return Err(InvalidWebhookUrl::new(url, problem));
        }
        Ok(endpoint)
    }

    /// [`Self::new`] for the local stack, which can also post to this machine, with `http`.
    pub fn of_local_stack(url: &str) -> Result<Self, InvalidWebhookUrl> {
        Ok(Self {
            url: url.parse()?,
            events: terminal(),
        })
    }

    /// The same endpoint, which receives these events instead. Without any, only jobs whose description names
    /// events have a webhook.
    #[must_use]
    pub fn with_events(mut self, events: &[WebhookEvent]) -> Self {
        self.events = sorted(events.to_vec());
        self
    }

    /// Where the events are posted.
    pub fn url(&self) -> &WebhookUrl {
        &self.url
    }

    /// The events of a job that names none.
    pub fn events(&self) -> &[WebhookEvent] {
        &self.events
    }
}

fn sorted(mut events: Vec<WebhookEvent>) -> Vec<WebhookEvent> {
    events.sort_unstable();
    events.dedup();
    events
}

/// The rules of an environment: the value of the setting [`Webhooks`](crate::environment::Webhooks), as JSON. The
/// empty setting means the default: no webhooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookRules {
    /// The endpoint of all jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<WebhookEndpoint>,
    /// The hosts that a description's `url` can have, each with its port unless that is 443.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Whether webhooks can be posted to this machine, also without TLS: only in the local stack. No environment's
    /// template has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_loopback: bool,
}

impl WebhookRules {
    /// Reads the value of the setting.
    pub fn parse(setting: &str) -> Result<Self, serde_json::Error> {
        if setting.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(setting)
    }

    /// The value of the setting.
    pub fn to_setting(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        // Strings, lists and booleans are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The webhook of a job that is created with this description; none if no event of the job is posted.
    pub fn of_job(
        &self,
        described: Option<&DescribedWebhook>,
    ) -> Result<Option<JobWebhook>, InvalidBody> {
        let of_endpoint = || Some(self.endpoint.as_ref()?.events.clone());
        let Some(described) = described else {
            let events = of_endpoint().filter(|events| !events.is_empty());
            return Ok(events.map(|events| JobWebhook { url: None, events }));
        };
        let events = match &described.events {
            Some(events) => sorted(events.clone()),
            None => of_endpoint().unwrap_or_else(terminal),
        };
        if events.is_empty() {
            let problem = "names no event; name at least one, such as job_complete";
            return Err(InvalidBody::field("webhook.events", problem));
        }
        let url = match &described.url {
            Some(url) => Some(self.chosen(url)?),
            None if self.endpoint.is_some() => None,
            None => {
                let problem = "the environment has no endpoint for webhooks; leave `webhook` out, or declare an \
                               endpoint in the environment's `webhooks`";
                return Err(InvalidBody::field("webhook", problem));
            }
        };
        Ok(Some(JobWebhook { url, events }))
    }

    fn chosen(&self, url: &str) -> Result<WebhookUrl, InvalidBody> {
        let invalid = |problem: String| InvalidBody::field("webhook.url", problem);
        let url: WebhookUrl = url
            .parse()
            .map_err(|error: InvalidWebhookUrl| invalid(error.to_string()))?;
        if self.permits(&url) {
            return Ok(url);
        }
        Err(invalid(format!(
            "the environment does not permit webhooks to '{}'; leave `url` out, or list this host in the \
             environment's `webhooks`",
            url.authority()
        )))
    }

    /// Whether a caller's URL can be posted to.
    pub fn permits(&self, url: &WebhookUrl) -> bool {
        if url.is_loopback() {
            return self.allow_loopback;
        }
        let authority = url.authority();
        self.hosts.iter().any(|host| host == authority)
    }

    /// Where the events of a job are posted. None if the environment has no endpoint any more, or does not permit
    /// the URL of the job.
    pub fn url<'a>(&'a self, webhook: &'a JobWebhook) -> Option<&'a WebhookUrl> {
        match &webhook.url {
            Some(url) => Some(url).filter(|url| self.permits(url)),
            None => self.endpoint.as_ref().map(WebhookEndpoint::url),
        }
    }
}

/// The URL of a webhook: `https`, with the name of a host, and without user information and fragment. Addresses such
/// as `https://10.0.0.1/` and their other spellings are refused. With `http`, it can only be that of this machine, for
/// the local stack.
///
/// ```
/// use stagecast_contract::webhooks::WebhookUrl;
///
/// let url: WebhookUrl = "https://hooks.example.com:8443/jobs?from=stagecast".parse()?;
/// assert_eq!(url.authority(), "hooks.example.com:8443");
/// assert!("https://169.254.169.254/".parse::<WebhookUrl>().is_err());
/// # Ok::<(), stagecast_contract::webhooks::InvalidWebhookUrl>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookUrl(String);

/// Why a text is not the URL of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{url}' is not the URL of a webhook: {problem}, such as https://hooks.example.com/jobs")]
pub struct InvalidWebhookUrl {
    /// The beginning of the text.
    url: String,
    /// What is wrong, ending with the next step.
    problem: &'static str,
}

impl InvalidWebhookUrl {
    fn new(url: &str, problem: &'static str) -> Self {
        let url = truncate_with_ellipsis(url.to_owned(), 100);
        Self { url, problem }
    }
}

/// The names and addresses of this machine in URLs.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

impl WebhookUrl {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, and the port if the URL has one other than 443.
    pub fn authority(&self) -> &str {
        let authority = authority(&self.0).unwrap_or_default();
        authority.strip_suffix(":443").unwrap_or(authority)
    }

    /// Whether the URL names this machine. Only then can it be one with `http`.
    pub fn is_loopback(&self) -> bool {
        split_port(self.authority()).is_ok_and(|(host, _)| LOOPBACK.contains(&host))
    }
}

/// The part of a URL between the scheme and the path.
fn authority(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    rest.split(['/', '?', '#']).next()
}

/// The host and the port of an authority.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let after_address = authority.rfind(']').map_or(0, |end| end + 1);
    let Some(colon) = authority[after_address..].find(':') else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(after_address + colon);
    let port = &port[1..];
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("its port is not a number; give one of 1 to 65535, or none");
    }
    match port.parse() {
        Ok(port @ 1..) => Ok((host, Some(port))),
        _ => Err("its port is not a number of 1 to 65535; give a valid one, or none"),
    }
}

/// The problem of a host that is not the name of a public service.
fn check_host(host: &str) -> Result<(), &'static str> {
    let labels: Vec<_> = host.split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
            })
    };
    if labels.len() < 2 || host.len() > 253 || !labels.iter().all(is_label) {
        return Err("its host is not a full name in lower-case letters; give one");
    }
    // As in browsers, a host that ends in a number is an address: 127.1, 0x7f.1, 010.0.0.1.
    let is_name = labels
        .last()
        .is_some_and(|last| last.starts_with(|it: char| it.is_ascii_lowercase()));
    if !is_name {
        return Err("its host is an address; give the name of a host");
    }
    Ok(())
}

fn check(url: &str) -> Result<(), &'static str> {
    if url.len() > MAX_WEBHOOK_URL_BYTES {
        return Err("it has more than 500 bytes; give a shorter one");
    }
    // Parsers of URLs do not agree about a backslash.
    if !url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err("it has a character that URLs do not have; give an encoded one");
    }
    if url.contains('#') {
        return Err("it has a fragment, which is not sent; give one without `#`");
    }
    let authority = authority(url).unwrap_or_default();
    if authority.contains('@') {
        return Err("it has user information; give one without `@` before the host");
    }
    let (host, _) = split_port(authority)?;
    if LOOPBACK.contains(&host) && url.starts_with("http://") {
        return Ok(());
    }
    if !url.starts_with("https://") {
        return Err("its scheme is not https; give one that starts with `https://`");
    }
    check_host(host)
}

impl FromStr for WebhookUrl {
    type Err = InvalidWebhookUrl;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        match check(url) {
            Ok(()) => Ok(Self(url.to_owned())),
            Err(problem) => Err(InvalidWebhookUrl::new(url, problem)),
        }
    }
}

impl TryFrom<String> for WebhookUrl {
    type Error = InvalidWebhookUrl;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        url.parse()
    }
}

impl From<WebhookUrl> for String {
    fn from(url: WebhookUrl) -> Self {
        url.0
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The `webhook-id` of the durable message `seq` of a job. It is the same in every attempt and every repetition.
pub fn webhook_id(job_id: &JobId, seq: u64) -> String {
    format!("{job_id}-{seq}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(endpoint: Option<&str>, hosts: &[&str]) -> WebhookRules {
        WebhookRules {
            endpoint: endpoint.map(|url| WebhookEndpoint::new(url).expect("a URL")),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            allow_loopback: false,
        }
    }

    fn described(json: &str) -> DescribedWebhook {
        serde_json::from_str(json).expect(json)
    }

    const ENDPOINT: &str = "https://hooks.example.com/stagecast";

    #[test]
    fn url_of_another_scheme_or_with_an_address_is_refused() {
        for (url, part) in [
            ("", "scheme"),
            ("hooks.example.com", "scheme"),
            ("http://hooks.example.com/", "scheme"),
            ("ftp://hooks.example.com/", "scheme"),
            ("HTTPS://hooks.example.com/", "scheme"),
            ("https:/hooks.example.com/", "scheme"),
            ("https://user:secret@hooks.example.com/", "user information"),
            ("https://hooks.example.com@10.0.0.1/", "user information"),
            ("https://hooks.example.com\\@10.0.0.1/", "character"),
            ("https://hooks.example.com/\n", "character"),
            ("https://hooks.example.com/ü", "character"),
            ("https://hooks.example.com/#a", "fragment"),
            ("https://hooks.example.com:0/", "port"),
            ("https://hooks.example.com:65536/", "port"),
            ("https://hooks.example.com:/", "port"),
            ("https://hooks.example.com:+443/", "port"),
            ("https://hooks/", "full name"),
            ("https://Hooks.example.com/", "full name"),
            ("https://hooks.example.com./", "full name"),
            ("https:///", "full name"),
            ("https://[::1]/", "full name"),
            ("https://[fd00:ec2::254]/", "full name"),
            ("https://[::ffff:10.0.0.1]/", "full name"),
            ("https://localhost/", "full name"),
            ("https://2130706433/", "full name"),
            ("https://127.0.0.1/", "address"),
            ("https://169.254.169.254/latest", "address"),
            ("https://0x7f.1/", "address"),
            ("https://010.0.0.1/", "address"),
            ("https://10.0.0.0x1/", "address"),
        ] {
            let error = url.parse::<WebhookUrl>().expect_err(url).to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
        let long = format!("https://hooks.example.com/{}", "a".repeat(475));
        assert!(long.parse::<WebhookUrl>().is_err());
        let http: WebhookUrl = "http://127.0.0.1:9000/hook".parse().expect("this machine");
        assert!(http.is_loopback());
        assert!(WebhookEndpoint::new(http.as_str()).is_err());
    }

    #[test]
    fn port_443_is_the_host_without_a_port() {
        let authority = |url: &str| url.parse::<WebhookUrl>().unwrap().authority().to_owned();
        assert_eq!(authority("https://a.example:443/x"), "a.example");
        assert_eq!(authority("https://a.example?x"), "a.example");
        assert_eq!(authority("https://a.example:4430"), "a.example:4430");
    }

    #[test]
    fn job_without_a_description_has_the_endpoints_events() {
        let rules = rules(Some(ENDPOINT), &[]);
        let webhook = rules.of_job(None).unwrap().expect("a webhook");
        assert_eq!(webhook.events, WebhookEvent::TERMINAL);
        assert_eq!(rules.url(&webhook).map(WebhookUrl::as_str), Some(ENDPOINT));
        assert_eq!(serde_json::to_string(&webhook).unwrap(), "{}");
        assert_eq!(WebhookRules::default().of_job(None), Ok(None));
    }

    #[test]
    fn endpoint_without_events_is_for_jobs_that_name_them() {
        let rules = WebhookRules {
            endpoint: Some(WebhookEndpoint::new(ENDPOINT).unwrap().with_events(&[])),
            ..WebhookRules::default()
        };
        assert_eq!(rules.of_job(None), Ok(None));
        let chosen = described(r#"{"events":["stage_complete","job_failed","job_failed"]}"#);
        let webhook = rules.of_job(Some(&chosen)).unwrap().expect("a webhook");
        assert!(webhook.has(WebhookEvent::JobFailed) && !webhook.has(WebhookEvent::JobComplete));
        assert_eq!(webhook.events.len(), 2);
    }

    #[test]
    fn caller_chooses_only_hosts_that_the_environment_lists() {
        let rules = rules(None, &["hooks.example.com", "b.example:8443"]);
        for url in [
            "https://hooks.example.com/a",
            "https://hooks.example.com:443/",
            "https://b.example:8443/",
        ] {
            let chosen = described(&format!(r#"{{"url":"{url}"}}"#));
            let webhook = rules.of_job(Some(&chosen)).expect(url).expect(url);
            assert_eq!(webhook.url.as_ref().map(WebhookUrl::as_str), Some(url));
            assert_eq!(rules.url(&webhook).map(WebhookUrl::as_str), Some(url));
            // The operator has removed the host since.
            assert_eq!(WebhookRules::default().url(&webhook), None);
        }
        for url in [
            "https://hooks.example.com:8443/",
            "https://b.example/",
            "https://other.example/",
            "https://a.hooks.example.com/",
            "http://127.0.0.1:80/",
        ] {
            let chosen = described(&format!(r#"{{"url":"{url}"}}"#));
            let error = rules.of_job(Some(&chosen)).expect_err(url);
            assert_eq!(error.details["field"], "webhook.url");
            assert!(error.message.contains("does not permit"), "{error}");
        }
    }

    #[test]
    fn webhook_that_cannot_be_posted_is_an_error_with_its_field() {
        let none = WebhookRules::default();
        let field = |rules: &WebhookRules, json: &str| {
            let error = rules.of_job(Some(&described(json))).expect_err(json);
            error.details["field"].as_str().map(str::to_owned)
        };
        assert_eq!(field(&none, "{}").as_deref(), Some("webhook"));
        let endpoint = rules(Some(ENDPOINT), &[]);
        assert_eq!(
            field(&endpoint, r#"{"events":[]}"#).as_deref(),
            Some("webhook.events")
        );
        assert_eq!(
            field(&endpoint, r#"{"url":"http://a.example/"}"#).as_deref(),
            Some("webhook.url")
        );
    }

    #[test]
    fn rules_are_read_as_they_were_written() {
        for rules in [
            WebhookRules::default(),
            rules(Some(ENDPOINT), &[]),
            rules(None, &["hooks.example.com"]),
        ] {
            assert_eq!(WebhookRules::parse(&rules.to_setting()).unwrap(), rules);
        }
        assert_eq!(WebhookRules::default().to_setting(), "");
        assert!(WebhookRules::parse(r#"{"endpoint":{"url":"http://a.example/"}}"#).is_err());
    }
}
