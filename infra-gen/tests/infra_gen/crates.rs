//! The libraries in `crates/` know nothing of the product, and their modules form no circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn workspace() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    path.canonicalize().expect("the workspace")
}

/// The packages of the workspace, as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(workspace())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn folder(package: &Value) -> PathBuf {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    manifest.parent().expect("a folder").to_owned()
}

fn libraries() -> Vec<Value> {
    let crates = workspace().join("crates");
    let mut packages = packages();
    packages.retain(|package| folder(package).starts_with(&crates));
    assert!(packages.len() >= 2, "{packages:?}");
    packages
}

/// Dependencies for tests and builds count as well.
#[test]
fn libraries_depend_on_no_package_of_the_product() {
    let crates = workspace().join("crates");
    for package in libraries() {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(path) = dependency["path"].as_str() else {
                continue;
            };
            let name = package["name"].as_str().unwrap_or_default();
            assert!(
                Path::new(path).starts_with(&crates),
                "{name} depends on {path}"
            );
        }
    }
}

#[test]
fn libraries_have_what_a_published_crate_needs() {
    for package in libraries() {
        let name = package["name"].as_str().expect("a name");
        for field in ["description", "license", "repository", "readme"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        assert_ne!(package["keywords"], Value::Array(Vec::new()), "{name}");
        assert!(package["publish"].is_null(), "{name} cannot be published");
        assert!(folder(&package).join("CHANGELOG.md").is_file(), "{name}");
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let is_normal = dependency["kind"].is_null();
            let has_version = dependency["req"] != "*";
            assert!(!is_normal || has_version, "{name}: {dependency}");
        }
    }
}

/// By module, the modules that it uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn top_level_modules_of_libraries_form_no_circle() {
    for package in libraries() {
        let name = package["name"].as_str().expect("a name");
        let source = folder(&package).join("src");
        let root = fs::read_to_string(source.join("lib.rs")).expect("lib.rs");
        let mut graph = Graph::new();
        for file in files(&source) {
            let path = file.strip_prefix(&source).expect("in src");
            let module = path.iter().next().expect("a name").to_string_lossy();
            let module = module.trim_end_matches(".rs").to_owned();
            if ["lib", "main", "tests"].contains(&module.as_str()) {
                continue;
            }
            let text = fs::read_to_string(&file).expect("text");
            let used = used_modules(&text, &root);
            graph.entry(module).or_default().extend(used);
        }
        assert_eq!(circle(graph), None, "in {name}");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect()
}

/// The top-level modules that a file names after `crate::`, outside its comments and unit tests. A name that
/// `lib.rs` re-exports counts as its module.
fn used_modules(text: &str, root: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.starts_with("//"));
    let text = lines.collect::<Vec<_>>().join(" ");
    let mut used = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        for name in first_names(rest) {
            used.extend(module_of(&name, root));
        }
    }
    used
}

/// The first name of a path, or those of a group of paths: `a` of `a::b`, `a` and `c` of `{a::{b, d}, c}`.
fn first_names(path: &str) -> Vec<String> {
    let is_name = |it: char| it.is_alphanumeric() || it == '_';
    let name = |text: &str| text.trim().chars().take_while(|it| is_name(*it)).collect();
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(&group[start..index]));
                start = index + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name: &String| !name.is_empty());
    names
}

/// The module of a name at the root of a crate: itself, or the one that it is re-exported from.
fn module_of(name: &str, root: &str) -> Option<String> {
    if root.contains(&format!("mod {name};")) {
        return Some(name.to_owned());
    }
    root.split("pub use ").skip(1).find_map(|line| {
        let (path, _) = line.split_once(';')?;
        let (module, names) = path.split_once("::")?;
        let is_name = |it: char| it.is_alphanumeric() || it == '_';
        let mut names = names.split(|it| !is_name(it));
        names
            .any(|other| other == name)
            .then(|| module.trim().to_owned())
    })
}

/// Modules of which each uses another one of them, if there are any.
fn circle(mut graph: Graph) -> Option<BTreeSet<String>> {
    for (module, used) in &mut graph {
        used.remove(module);
    }
    loop {
        let left: BTreeSet<_> = graph.keys().cloned().collect();
        graph.retain(|_, used| used.iter().any(|it| left.contains(it)));
        if graph.len() == left.len() {
            return (!left.is_empty()).then_some(left);
        }
    }
}

#[test]
fn circle_of_modules_is_found_through_groups_and_reexports() {
    let root = "mod a;\nmod b;\nmod c;\npub use b::{B, Other};\n";
    let a = "//! crate::c\nuse crate::{\n    c::{C, D},\n    B,\n};\n";
    assert_eq!(used_modules(a, root), ["b", "c"].map(str::to_owned).into());
    let tested = "use crate::a;\n#[cfg(test)]\nmod tests {\n    use crate::c;\n}\n";
    assert_eq!(used_modules(tested, root), ["a".to_owned()].into());
    let graph = |uses: [(&str, &[&str]); 3]| -> Graph {
        let uses = uses.into_iter();
        let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        uses.map(|(module, used)| (module.to_owned(), names(used)))
            .collect()
    };
    let one_way = graph([("a", &["a", "b", "c"]), ("b", &["c"]), ("c", &[])]);
    assert_eq!(circle(one_way), None);
    let back = graph([("a", &["b"]), ("b", &["a"]), ("c", &[])]);
    let found = circle(back).expect("a circle");
    assert_eq!(found, ["a", "b"].map(str::to_owned).into());
}
