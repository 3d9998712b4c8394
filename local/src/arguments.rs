//! The command line.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

/// Runs the whole system on this machine: APIs, functions, tables, queues and objects on one port.
#[derive(Debug, Parser)]
#[command(name = "local", bin_name = "cargo dev", version)]
pub(crate) struct Arguments {
    /// The port to listen on; 0 for any that is free.
    #[arg(long, default_value_t = 4800)]
    pub(crate) port: u16,
    /// Keep tables, objects and queued messages in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// When ready, print the addresses as one line of JSON and nothing else.
    #[arg(long)]
    pub(crate) json: bool,
    /// What the functions log: a level, or a filter such as `info,pipeline=debug`. The template's
    /// level is for what is deployed.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub(crate) log_level: String,
    /// The least time that a stage of the reference pipeline takes, in milliseconds: a small plan is
    /// done before anyone could see its progress. 0 for as fast as it can.
    #[arg(long, value_name = "MS", default_value_t = 4000)]
    pub(crate) pace: u64,
    /// The folder with the functions' executables, unless they are beside this one.
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
            .context("this executable does not know where it is: say so with --bin-dir")?;
        let folder = this.parent().context("this executable is in no folder")?;
        Ok(folder.to_owned())
    }
}
