//! `infra-gen new`.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;

use super::outcome::CommandOutcome;
use crate::new::{self, ProductName, StagecastSource};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the product: 1 to 20 lower-case letters, digits and hyphens, the first one a letter.
    #[arg(value_parser = ProductName::new)]
    name: ProductName,
    /// Folder that the workspace is written to. It must be empty, or not exist. Default: NAME.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Where the product gets the crates of Stagecast from: the path of a checkout, or the URL of a Git
    /// repository. Default: the repository of Stagecast, at the tag of this version.
    #[arg(long, value_name = "PATH|GIT-URL", value_parser = StagecastSource::new)]
    stagecast: Option<StagecastSource>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let name = &arguments.name;
    let default = PathBuf::from(name.as_str());
    let folder = arguments.path.as_deref().unwrap_or(&default);
    require_empty(folder)?;
    let stagecast = arguments.stagecast.clone().unwrap_or_default();
    let resolve = || format!("cannot resolve '{}'", folder.display());
    let stagecast = stagecast.relative_to(folder).with_context(resolve)?;
    for (path, contents) in new::files(name, &stagecast) {
        write(&folder.join(path), contents.as_bytes())?;
    }
    if let Some(lock_file) = stagecast.lock_file() {
        let read = || format!("cannot read '{}'", lock_file.display());
        let contents = fs::read(&lock_file).with_context(read)?;
        write(&folder.join("Cargo.lock"), &contents)?;
    }
    io::stdout().write_all(next_steps(name, folder).as_bytes())?;
    Ok(CommandOutcome::Done)
}

fn require_empty(folder: &Path) -> anyhow::Result<()> {
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read '{}'", folder.display()));
        }
    };
    if is_empty {
        return Ok(());
    }
    bail!(
        "'{}' exists and is not empty\n  help: choose another folder with --path",
        folder.display()
    )
}

fn write(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, contents))
        .with_context(|| format!("cannot write '{}'", path.display()))
}

fn next_steps(name: &ProductName, folder: &Path) -> String {
    let (name, folder) = (name.as_str(), folder.display());
    format!(
        "The workspace of the product {name} is in '{folder}'. Next steps:\n\n    \
         cd '{folder}'\n    \
         cargo run -p infra-gen -- synth    # writes generated/, which belongs in version control\n    \
         cargo dev                          # runs the product on this machine\n    \
         cargo test --workspace\n"
    )
}
