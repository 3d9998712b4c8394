//! The direction of dependencies between this crate's modules, checked in its sources.

use std::{collections::BTreeSet, fs, path::Path};

/// Each module and the modules that it may use. A module uses only modules above its own line, so
/// there are no circles.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("batch", &[]),
    ("hash", &[]),
    ("response_size", &[]),
    ("retry", &[]),
    ("metrics", &["clock"]),
    ("models", &["hash"]),
    ("owner_tokens", &["clock", "models"]),
    (
        "stores",
        &[
            "clock",
            "hash",
            "models",
            "owner_tokens",
            "response_size",
            "retry",
        ],
    ),
    ("waiting", &["models", "stores"]),
    ("watchdog", &["models"]),
    ("starting", &["models", "stores", "waiting", "watchdog"]),
    ("upload_deadline", &["models"]),
    (
        "delivery",
        &["clock", "metrics", "models", "retry", "stores"],
    ),
    (
        "unattended",
        &[
            "clock", "delivery", "models", "stores", "waiting", "watchdog",
        ],
    ),
    (
        "cancellation",
        &[
            "clock",
            "models",
            "stores",
            "unattended",
            "upload_deadline",
            "watchdog",
        ],
    ),
    (
        "pipeline",
        &["clock", "delivery", "hash", "models", "retry", "stores"],
    ),
    ("error", &["owner_tokens", "stores", "unattended"]),
    ("http", &["error", "response_size"]),
    ("layers", &[]),
];

/// The modules that a source names after `crate::`, also within the braces of a `use`.
fn uses(source: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for (start, path) in source.match_indices("crate::") {
        let is_part_of_a_name =
            source[..start].ends_with(|it: char| it == '_' || it.is_alphanumeric());
        if is_part_of_a_name {
            continue;
        }
        let mut rest = &source[start + path.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(first_name(rest));
            continue;
        };
        rest = list;
        let mut depth = 0_usize;
        loop {
            rest = rest.trim_start();
            if depth == 0 {
                names.insert(first_name(rest));
            }
            let Some(next) = rest.find([',', '{', '}', ';']) else {
                break;
            };
            match &rest[next..=next] {
                "{" => depth += 1,
                "}" if depth > 0 => depth -= 1,
                "," => {}
                _ => break,
            }
            rest = &rest[next + 1..];
        }
    }
    names.remove("");
    names
}

fn first_name(path: &str) -> &str {
    let end = path.find(|it: char| it != '_' && !it.is_alphanumeric());
    &path[..end.unwrap_or(path.len())]
}

/// The paths of all Rust files below `folder`.
fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn modules_use_only_the_layers_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut used = BTreeSet::new();
    for path in sources(&root) {
        let inner = path.strip_prefix(&root).expect("below the root");
        let first = inner.iter().next().and_then(|it| it.to_str());
        let module = first.expect("a name").trim_end_matches(".rs");
        if ["lib", "layers"].contains(&module) {
            continue;
        }
        #[expect(clippy::disallowed_methods, reason = "a test without requests")]
        let source = fs::read_to_string(&path).expect("a source");
        let (_, allowed) = LAYERS
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("help: add the module '{module}' to LAYERS"));
        for name in uses(&source).into_iter().filter(|name| *name != module) {
            assert!(
                allowed.contains(&name),
                "{} uses crate::{name}, but `{module}` is not allowed to use `{name}`. \
                 help: move what it needs to a lower layer, or change LAYERS",
                inner.display(),
            );
            used.insert((module.to_owned(), name.to_owned()));
        }
    }
    for (module, allowed) in LAYERS {
        for name in *allowed {
            let edge = ((*module).to_owned(), (*name).to_owned());
            assert!(
                used.contains(&edge),
                "LAYERS allows {edge:?}, which no source needs"
            );
        }
    }
}

#[test]
fn layers_are_listed_from_the_bottom_up() {
    for (position, (module, allowed)) in LAYERS.iter().enumerate() {
        let below = &LAYERS[..position];
        for name in *allowed {
            let is_below = below.iter().any(|(other, _)| other == name);
            assert!(
                is_below,
                "`{module}` uses `{name}`, which is not above it in LAYERS"
            );
        }
    }
}

#[test]
fn uses_are_found_in_lists_and_in_paths() {
    let source = "use crate::{\n retry::{Backoff, RetryPolicy},\n clock::Clock,\n models,\n};\nfn f(_: crate::stores::Page) {}";
    let found: Vec<_> = uses(source).into_iter().collect();
    assert_eq!(found, ["clock", "models", "retry", "stores"]);
}
