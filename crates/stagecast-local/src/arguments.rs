//! The command-line arguments.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use stagecast_infra::environments::{InvalidWebhookUrl, WebhookEndpoint, WebhookEvent};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Run the whole system on this machine: APIs, functions, tables, queues and objects on one port.
#[derive(Debug, Parser)]
#[command(name = "local", bin_name = "cargo dev", version)]
pub(crate) struct Arguments {
    /// The port to listen on; 0 chooses a free port.
    #[arg(long, default_value_t = 4800)]
    pub(crate) port: u16,
    /// Also accept requests for this host name; may be repeated. By default only localhost and loopback
    /// addresses are accepted, as protection from DNS rebinding.
    #[arg(long = "allow-host", value_name = "NAME", value_parser = host_name)]
    pub(crate) allowed_hosts: Vec<String>,
    /// Keep tables, objects and queued messages in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// When ready, print the addresses as one line of JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// The functions' log level (off, error, warn, info, debug, trace), or a filter such as
    /// `info,pipeline=debug`. Replaces the template's level.
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub(crate) log_level: String,
    /// Value of a setting, by its environment variable; may be repeated.
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Value of a secret or of a parameter of SSM Parameter Store, by its name; may be repeated. Overrides
    /// `.stagecast/secrets.toml`, which is not in the history of the shell.
    #[arg(long = "secret", value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) secrets: Vec<(String, String)>,
    /// Post webhooks of all jobs to this URL, `https` or of this machine, such as `http://127.0.0.1:9000/hook`.
    #[arg(long, value_name = "URL", value_parser = webhook)]
    pub(crate) webhook: Option<WebhookEndpoint>,
    /// The folder with the functions' executables; by default the folder of this executable.
    #[arg(long, value_name = "DIR")]
    pub(crate) bin_dir: Option<PathBuf>,
}

impl Arguments {
    /// The folder with the functions' executables.
    pub(crate) fn binaries(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.bin_dir {
            return Ok(folder.clone());
        }
        let this = std::env::current_exe()
            .context("this executable's path is unknown: name its folder with --bin-dir")?;
        let folder = this
            .parent()
            .context("this executable is in no folder: name one with --bin-dir")?;
        Ok(folder.to_owned())
    }
}

/// An endpoint for all events.
fn webhook(url: &str) -> Result<WebhookEndpoint, InvalidWebhookUrl> {
    let events = [
        WebhookEvent::StageComplete,
        WebhookEvent::JobComplete,
        WebhookEvent::JobFailed,
        WebhookEvent::JobCancelled,
    ];
    Ok(WebhookEndpoint::of_local_stack(url)?.with_events(&events))
}

fn setting(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or_else(|| "write it as NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Checks a host name: no scheme, no port, no path.
fn host_name(text: &str) -> Result<String, String> {
    let is_name = !text.is_empty() && typed_contract::names::is_alphanumeric_or(text, b"-._[]:");
    let authority = http::uri::Authority::try_from(text).ok();
    let is_only_a_host = authority.is_some_and(|authority| authority.host() == text);
    if is_name && is_only_a_host {
        return Ok(text.to_owned());
    }
    Err("write a host name without scheme, port and path, such as stack.example".to_owned())
}

/// Checks a filter of `tracing_subscriber`. That crate reads an unknown word as the name of a target,
/// so a misspelt level would turn the functions' logs off without an error.
fn log_filter(text: &str) -> Result<String, String> {
    const HELP: &str = "write a level (off, error, warn, info, debug, trace), or directives such as \
                        info,pipeline=debug";
    let directives: Vec<_> = text.split(',').map(str::trim).collect();
    for directive in &directives {
        let is_word = !directive.contains(['=', '[']);
        if is_word && (directive.is_empty() || directive.parse::<LevelFilter>().is_err()) {
            return Err(format!("'{directive}' is not a level; {HELP}"));
        }
        if let Some((target, level)) = directive.rsplit_once('=')
            && (target.is_empty() || level.is_empty() || level.parse::<LevelFilter>().is_err())
        {
            return Err(format!("'{directive}' does not name a level; {HELP}"));
        }
    }
    // The functions' parser accepts no spaces.
    let filter = directives.join(",");
    EnvFilter::builder()
        .parse(&filter)
        .map_err(|error| format!("{error}; {HELP}"))?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_filter_must_name_a_level() {
        for text in [
            "info",
            "OFF",
            "warn,pipeline=debug",
            "info,stagecast_core::delivery=debug",
            "info,[run]=debug",
        ] {
            assert_eq!(log_filter(text).as_deref(), Ok(text));
        }
        assert_eq!(
            log_filter("info, pipeline=trace").as_deref(),
            Ok("info,pipeline=trace")
        );
        for text in [
            "lots",
            "",
            "info,lots",
            "pipeline",
            "pipeline=lots",
            "=debug",
        ] {
            let error = log_filter(text).expect_err(text);
            assert!(error.contains("write a level"), "{text}: {error}");
        }
        let error = log_filter("info,lots").expect_err("no level");
        assert!(error.starts_with("'lots' is not a level"), "{error}");
    }

    #[test]
    fn allowed_hosts_are_names_without_a_port() {
        for text in ["stack.example", "a", "192.168.0.7", "[fe80::1]"] {
            assert_eq!(host_name(text).as_deref(), Ok(text));
        }
        for text in ["", "http://a", "a:80", "a/b", "a b", "user@a", "*"] {
            assert!(host_name(text).is_err(), "{text}");
        }
    }
}
