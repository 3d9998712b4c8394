//! Runs a product on this machine: its template on `local-aws`, with the progress page and the API reference.
//! A product's executable `local` is a [`Local`], and `cargo dev` builds it with the functions and runs it.

mod arguments;
mod book;
mod output;
mod response;
mod run;
mod secrets;
mod site;
mod static_files;
mod worker_token;

use std::{path::PathBuf, process::ExitCode};

use stagecast_infra::Project;
use typed_contract::environment::Setting;

/// A product on this machine.
///
/// ```no_run
/// fn run(project: stagecast_infra::Project) -> std::process::ExitCode {
///     let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
///     stagecast_local::Local::new(project, workspace).main()
/// }
/// ```
#[derive(Debug)]
pub struct Local {
    project: Project,
    workspace: PathBuf,
    settings: Vec<(&'static str, String)>,
}

impl Local {
    /// The environment `dev` of the product whose workspace is in the folder `workspace`. The page and the API
    /// reference are read from `generated/page` and `generated/docs` there; without these folders, the general
    /// page and Stagecast's reference are served.
    pub fn new(project: Project, workspace: impl Into<PathBuf>) -> Self {
        Self {
            project,
            workspace: workspace.into(),
            settings: Vec::new(),
        }
    }

    /// Gives a setting another value on this machine than in the environment `dev`. `--setting` overrides it.
    #[must_use]
    pub fn with_setting<S: Setting>(mut self, value: impl Into<String>) -> Self {
        self.settings.push((S::SPEC.variable, value.into()));
        self
    }

    /// Whether the workspace has the sources of a book.
    fn has_book(&self) -> bool {
        self.workspace.join("docs/book.toml").is_file()
    }

    /// Reads the command line and runs the stack until Ctrl-C.
    pub fn main(self) -> ExitCode {
        run::until_stopped(&self)
    }
}
