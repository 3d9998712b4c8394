//! Where a product gets the crates of Stagecast from.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Component, Path, PathBuf},
};

/// The crates that a product depends on, and more of their entries in the manifest.
const CRATES: [(&str, &str); 8] = [
    ("stagecast", ""),
    ("stagecast-contract", ""),
    ("stagecast-dev", ""),
    // Its features are those of the product's infra-gen.
    ("stagecast-infra", ", default-features = false"),
    ("stagecast-local", ""),
    ("stagecast-scenarios", ""),
    ("stagecast-testing", ""),
    ("typed-contract", ""),
];

/// The version of this crate, which is that of all crates of Stagecast.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where a product gets the crates of Stagecast from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StagecastSource {
    /// A checkout of the repository.
    Checkout {
        /// Its absolute path.
        root: PathBuf,
        /// The path in the manifest, with slashes.
        written: String,
    },
    /// The URL of a Git repository with the tag of [`VERSION`].
    Git(String),
}

impl Default for StagecastSource {
    fn default() -> Self {
        Self::Git(env!("CARGO_PKG_REPOSITORY").to_owned())
    }
}

impl StagecastSource {
    /// Reads the URL of a repository, or the path of a checkout, which must exist.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Ok(Self::Git(text.to_owned()));
        }
        let folder = fs::canonicalize(text)
            .map_err(|error| format!("it is neither a URL nor a folder: {error}"))?;
        if !folder.join("crates/stagecast/Cargo.toml").is_file() {
            return Err("it is no checkout of Stagecast: crates/stagecast is not there".to_owned());
        }
        let path = folder.to_str().ok_or("its path is not UTF-8")?;
        let written = path.to_owned();
        Ok(Self::Checkout {
            root: folder,
            written,
        })
    }

    /// The same source, with the path of a checkout relative to the workspace in `folder`, which need not exist:
    /// both can be moved or checked out elsewhere together. A path on another drive stays absolute.
    pub(crate) fn relative_to(self, folder: &Path) -> io::Result<Self> {
        match self {
            Self::Checkout { root, .. } => {
                let written = relative(&root, &resolved(folder)?);
                Ok(Self::Checkout { root, written })
            }
            Self::Git(url) => Ok(Self::Git(url)),
        }
    }

    /// The versions of all dependencies that this source is tested with, for a product that has no
    /// `Cargo.lock` yet. Cargo removes what the product does not use.
    pub(crate) fn lock_file(&self) -> Option<PathBuf> {
        match self {
            Self::Checkout { root, .. } => Some(root.join("Cargo.lock")),
            Self::Git(_) => None,
        }
    }

    /// The lines of the manifest, without a line break at the end.
    pub(super) fn dependencies(&self) -> String {
        let mut lines = String::new();
        for (name, more) in CRATES {
            let source = match self {
                Self::Checkout { written, .. } => {
                    format!("path = {}", quote(&format!("{written}/crates/{name}")))
                }
                Self::Git(url) => format!("git = {}, tag = \"v{VERSION}\"", quote(url)),
            };
            // Writing to a string does not fail.
            let _ = writeln!(lines, "{name} = {{ {source}{more} }}");
        }
        lines.trim_end().to_owned()
    }
}

/// The absolute path of a folder without symbolic links. Its last parts need not exist.
fn resolved(folder: &Path) -> io::Result<PathBuf> {
    let absolute = env::current_dir()?.join(folder);
    let existing = absolute.ancestors().find(|it| it.exists());
    let existing = existing.unwrap_or(Path::new("/"));
    let missing = absolute.strip_prefix(existing).unwrap_or(Path::new(""));
    let mut resolved = existing.canonicalize()?;
    for part in missing.components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            part => resolved.push(part),
        }
    }
    Ok(resolved)
}

/// The path `to` as seen from the folder `from`, with slashes. Both are absolute.
fn relative(to: &Path, from: &Path) -> String {
    let shared = to.components().zip(from.components());
    let shared = shared.take_while(|(one, other)| one == other).count();
    if shared == 0 {
        return to.to_string_lossy().into_owned();
    }
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared);
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<_> = up.chain(down).collect();
    if parts.is_empty() {
        return ".".to_owned();
    }
    parts.join("/")
}

/// A string in TOML, whose escapes include those of JSON.
fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    #[test]
    fn repository_is_used_at_the_tag_of_this_version() {
        let dependencies = StagecastSource::default().dependencies();
        let line = format!(
            "stagecast-dev = {{ git = \"https://github.com/stagecast/stagecast\", tag = \"v{VERSION}\" }}"
        );
        assert!(dependencies.lines().any(|it| it == line), "{dependencies}");
        let fork = StagecastSource::new("ssh://git@example.com/fork").expect("a URL");
        let dependencies = fork.dependencies();
        let fork = "git = \"ssh://git@example.com/fork\", ";
        assert_eq!(dependencies.matches(fork).count(), CRATES.len());
    }

    #[test]
    fn checkout_is_used_by_its_path_relative_to_the_workspace() {
        let checkout = StagecastSource::new(CHECKOUT).expect("this checkout");
        let root = fs::canonicalize(CHECKOUT).expect("a folder");
        let folder = root.join("target/not-there/../imports");
        let checkout = checkout.relative_to(&folder).expect("a path");
        let dependencies = checkout.dependencies();
        let line = format!(
            "stagecast-infra = {{ path = \"{}/crates/stagecast-infra\", default-features = false }}",
            "../.."
        );
        assert!(dependencies.lines().any(|it| it == line), "{dependencies}");
        assert_eq!(checkout.lock_file(), Some(root.join("Cargo.lock")));
    }

    #[test]
    fn path_is_relative_from_any_folder() {
        for (to, from, expected) in [
            ("/a/stagecast", "/a/imports", "../stagecast"),
            ("/a/stagecast", "/a/b/imports", "../../stagecast"),
            ("/a/stagecast", "/a/stagecast/imports", ".."),
            ("/a/b", "/a/b", "."),
        ] {
            let path = relative(Path::new(to), Path::new(from));
            assert_eq!(path, expected, "{to} from {from}");
        }
    }

    #[test]
    fn every_crate_of_a_product_is_in_the_checkout() {
        for (name, _) in CRATES {
            let manifest = PathBuf::from(format!("{CHECKOUT}/crates/{name}/Cargo.toml"));
            assert!(manifest.is_file(), "{name}");
        }
    }

    #[test]
    fn folder_that_is_no_checkout_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("UTF-8");
        let error = StagecastSource::new(path).expect_err("an empty folder");
        assert!(error.contains("crates/stagecast is not there"), "{error}");
        let error = StagecastSource::new(&format!("{path}/none")).expect_err("no folder");
        assert!(error.contains("neither a URL nor a folder"), "{error}");
    }
}
