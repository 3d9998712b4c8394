//! The workspace that the command runs in.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// The folder of the generated files, relative to the root of the workspace.
pub(crate) const GENERATED: &str = "generated";

/// Finds the root of the workspace among the current folder and its parents.
pub(crate) fn workspace() -> anyhow::Result<PathBuf> {
    let current = env::current_dir().context("cannot find the current folder")?;
    let is_root = |folder: &&Path| {
        let members = ["infra-gen", "contract"];
        let mut members = members.iter();
        members.all(|member| folder.join(member).join("Cargo.toml").is_file())
    };
    match current.ancestors().find(is_root) {
        Some(root) => Ok(root.to_owned()),
        None => bail!(
            "'{}' is not in the workspace of a product: neither it nor a folder above it contains \
             infra-gen and contract\n  help: change to the workspace first, or write one with \
             `infra-gen new`",
            current.display()
        ),
    }
}
