//! Builds the functions' executables.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

/// Names the variable with a folder of executables. With it, nothing is built.
const FOLDER: &str = "STAGECAST_BIN_DIR";

/// What this process has built.
static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The folder with up-to-date executables of these names, which are binary targets of the workspace.
///
/// Returns the folder in the environment variable `STAGECAST_BIN_DIR`, or else builds the executables once
/// per process, with the profile and in the target directory of the running test. The features are those of
/// `--workspace`, so that `cargo test --workspace` has compiled all dependencies.
///
/// # Panics
///
/// If the build fails. Its messages are on standard error.
pub fn build<'a>(
    manifest_folder: impl AsRef<Path>,
    names: impl IntoIterator<Item = &'a str>,
) -> PathBuf {
    if let Some(folder) = env::var_os(FOLDER) {
        return folder.into();
    }
    let test = env::current_exe().expect("the running test has a path");
    let place = Place::of(&test, &|folder| folder.join("CACHEDIR.TAG").is_file());
    let place = place.unwrap_or_else(|| {
        panic!(
            "{} is not where cargo puts tests, so the functions cannot be built beside it\n\
             help: set {FOLDER} to a folder with their executables",
            test.display()
        )
    });
    let names: BTreeSet<_> = names.into_iter().map(str::to_owned).collect();
    // Other scenarios wait here for the first one's build.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !names.is_subset(&built) {
        cargo_build(manifest_folder.as_ref(), &place, &names);
        built.extend(names);
    }
    place.folder
}

fn cargo_build(manifest_folder: &Path, place: &Place, names: &BTreeSet<String>) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--workspace"])
        .args(place.arguments())
        .current_dir(manifest_folder);
    for name in names {
        cargo.args(["--bin", name]);
    }
    // Cargo's variables about this test's package would make the build scripts of other packages run again.
    for (name, _) in env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let status = cargo
        .status()
        .unwrap_or_else(|error| panic!("cargo does not start: {error}"));
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert!(
        status.success(),
        "the executables of the functions ({}) cannot be built: {status}\n\
         help: cargo's messages are above; each function is an executable of this name in the workspace",
        names.join(", ")
    );
}

/// Where cargo has put the running test, and so where it puts executables.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    folder: PathBuf,
    target_folder: PathBuf,
    triple: Option<OsString>,
    profile: OsString,
}

impl Place {
    /// The place of a test, `TARGET_FOLDER/[TRIPLE/]PROFILE/deps/TEST`.
    fn of(test: &Path, is_target_folder: &dyn Fn(&Path) -> bool) -> Option<Self> {
        let folder = test.parent()?.parent()?;
        let above = folder.parent()?;
        let (target_folder, triple) = match above.parent() {
            Some(higher) if !is_target_folder(above) && is_target_folder(higher) => {
                (higher, above.file_name().map(OsString::from))
            }
            _ => (above, None),
        };
        Some(Self {
            folder: folder.to_owned(),
            target_folder: target_folder.to_owned(),
            triple,
            profile: folder.file_name()?.to_owned(),
        })
    }

    /// Cargo's arguments for the same profile, target and folder.
    fn arguments(&self) -> Vec<OsString> {
        // The profiles `dev` and `test` share a folder.
        let profile = if self.profile == "debug" {
            "dev".into()
        } else {
            self.profile.clone()
        };
        let mut arguments: Vec<OsString> = vec!["--profile".into(), profile];
        arguments.extend(["--target-dir".into(), self.target_folder.clone().into()]);
        if let Some(triple) = &self.triple {
            arguments.extend(["--target".into(), triple.clone()]);
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(test: &str) -> Vec<OsString> {
        let is_target_folder = |folder: &Path| folder.ends_with("target");
        let place = Place::of(Path::new(test), &is_target_folder);
        place.expect("a test of cargo").arguments()
    }

    #[test]
    fn executables_are_built_where_the_test_was_and_with_its_profile() {
        for (test, expected) in [
            (
                "/a/target/debug/deps/scenarios-1",
                "--profile dev --target-dir /a/target",
            ),
            (
                "/a/target/release/deps/scenarios-1",
                "--profile release --target-dir /a/target",
            ),
            (
                "/a/target/aarch64-unknown-linux-gnu/slim/deps/scenarios-1",
                "--profile slim --target-dir /a/target --target aarch64-unknown-linux-gnu",
            ),
        ] {
            let expected: Vec<_> = expected.split(' ').map(OsString::from).collect();
            assert_eq!(arguments(test), expected, "{test}");
        }
    }
}
