//! The modules of every crate depend on each other in one direction.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::crates::{folder, packages};

/// A module: its path in segments, empty for `lib.rs` and `main.rs`.
type Module = Vec<String>;

/// The use declarations of a module, without those of its tests.
#[derive(Debug, Default)]
struct Uses {
    /// Paths that the module itself uses.
    private: Vec<Vec<String>>,
    /// Paths that it re-exports, which are no dependencies.
    exported: Vec<Vec<String>>,
}

fn read(folder: &Path, module: &[String], modules: &mut BTreeMap<Module, Uses>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path.file_stem().expect("a name").to_string_lossy();
        let child = [module, &[name.to_string()]].concat();
        if path.is_dir() {
            read(&path, &child, modules);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let is_parent = ["lib", "main", "mod"].contains(&&*name);
            let module = if is_parent { module.to_vec() } else { child };
            let source = fs::read_to_string(&path).expect("readable");
            let uses = modules.entry(module).or_default();
            for (is_exported, path) in use_paths(&source) {
                if is_exported {
                    uses.exported.push(path);
                } else {
                    uses.private.push(path);
                }
            }
        }
    }
}

/// The paths of all use declarations, and whether they have a visibility.
fn use_paths(source: &str) -> Vec<(bool, Vec<String>)> {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(str::trim);
    let code: Vec<_> = lines.filter(|line| !line.starts_with("//")).collect();
    let mut paths = Vec::new();
    let code = code.join("\n");
    for (start, _) in code.match_indices("use ") {
        let line = code[..start].rfind('\n').map_or(0, |end| end + 1);
        // Not `pub struct Cause`, whose name ends like the keyword.
        let visibility = &code[line..start];
        let is_visibility =
            visibility == "pub " || visibility.starts_with("pub(") && visibility.ends_with(") ");
        if !visibility.is_empty() && !is_visibility {
            continue;
        }
        let declaration = &code[start + "use ".len()..];
        let end = declaration.find(';').unwrap_or(declaration.len());
        let mut found = Vec::new();
        expand(&declaration[..end].replace('\n', " "), &[], &mut found);
        paths.extend(found.into_iter().map(|path| (!visibility.is_empty(), path)));
    }
    paths
}

/// Expands `a::{b, c::{d as e}}` to `a::b` and `a::c::e`.
fn expand(tree: &str, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let segments = |text: &str| -> Vec<String> {
        let (name, alias) = text.split_once(" as ").unwrap_or((text, "_"));
        let segments = name.split("::").map(str::trim);
        let segments = segments.filter(|it| !it.is_empty());
        let mut segments: Vec<_> = segments.map(str::to_owned).collect();
        if let (alias, Some(last)) = (alias.trim(), segments.last_mut())
            && alias != "_"
        {
            alias.clone_into(last);
        }
        segments
    };
    let Some((head, group)) = tree.split_once('{') else {
        paths.push([prefix, &segments(tree)].concat());
        return;
    };
    let prefix = [prefix, &segments(head)].concat();
    let group = group.trim_end().strip_suffix('}');
    let group = group.unwrap_or_else(|| panic!("a closing brace: {tree}"));
    let (mut depth, mut start) = (0, 0);
    for (index, character) in group.char_indices().chain([(group.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = group[start..index].trim();
                if !item.is_empty() {
                    expand(item, &prefix, paths);
                }
                start = index + 1;
            }
            _ => {}
        }
    }
}

/// The module that a path leads to, through re-exports; `None` for other crates.
fn resolve(from: &[String], path: &[String], modules: &BTreeMap<Module, Uses>) -> Option<Module> {
    let mut module = from.to_vec();
    let mut rest = path.iter().peekable();
    match rest.peek()?.as_str() {
        "crate" | "infra_gen" => {
            module.clear();
            rest.next();
        }
        "self" => {
            rest.next();
        }
        "super" => {
            while rest.next_if(|it| *it == "super").is_some() {
                module.pop();
            }
        }
        name if modules.contains_key(&[from, &[name.to_owned()]].concat()) => {}
        _ => return None,
    }
    for name in rest {
        let child = [&module[..], std::slice::from_ref(name)].concat();
        if modules.contains_key(&child) {
            module = child;
            continue;
        }
        let exported = modules.get(&module).map(|uses| &uses.exported);
        let mut exported = exported.into_iter().flatten();
        return match exported.find(|path| path.last() == Some(name)) {
            Some(path) => resolve(&module, path, modules),
            None => Some(module),
        };
    }
    Some(module)
}

/// A path from a module back to itself.
fn circle<'a>(
    module: &'a Module,
    dependencies: &'a BTreeMap<Module, BTreeSet<Module>>,
    path: &mut Vec<&'a Module>,
    done: &mut BTreeSet<&'a Module>,
) -> Option<String> {
    if let Some(start) = path.iter().position(|it| *it == module) {
        let names = path[start..].iter().chain([&module]);
        let names: Vec<_> = names
            .map(|it| format!("crate::{}", it.join("::")))
            .collect();
        return Some(names.join(" -> "));
    }
    if !done.insert(module) {
        return None;
    }
    path.push(module);
    let mut targets = dependencies.get(module).into_iter().flatten();
    let found = targets.find_map(|target| circle(target, dependencies, path, done));
    path.pop();
    found
}

/// At least this many dependencies are found between the modules of all crates together.
const FEWEST_DEPENDENCIES: usize = 500;

/// The number of dependencies between the modules of a crate, and a circle if there is one.
fn check(source: &Path) -> (usize, Option<String>) {
    let mut modules = BTreeMap::new();
    read(source, &[], &mut modules);
    let dependencies: BTreeMap<Module, BTreeSet<Module>> = modules
        .iter()
        .map(|(module, uses)| {
            let targets = uses.private.iter();
            let targets = targets.filter_map(|path| resolve(module, path, &modules));
            (module.clone(), targets.filter(|it| it != module).collect())
        })
        .collect();
    let edges: usize = dependencies.values().map(BTreeSet::len).sum();
    let mut done = BTreeSet::new();
    let mut modules = dependencies.keys();
    let found =
        modules.find_map(|module| circle(module, &dependencies, &mut Vec::new(), &mut done));
    (edges, found)
}

#[test]
fn modules_have_no_circular_dependencies() {
    let mut all = 0;
    let mut circles = Vec::new();
    for package in packages() {
        let source = folder(&package).join("src");
        // The packages of some tests and benchmarks have no library.
        if !source.is_dir() {
            continue;
        }
        let (edges, circle) = check(&source);
        all += edges;
        let name = package["name"].as_str().expect("a name");
        circles.extend(circle.map(|circle| format!("{name}: {circle}")));
    }
    assert!(circles.is_empty(), "{circles:#?}");
    assert!(
        all >= FEWEST_DEPENDENCIES,
        "only {all} dependencies were found"
    );
}

#[test]
fn use_declarations_are_expanded() {
    let source = "use a::{\n    b as _,\n    c::{self, D as F},\n};\npub use super::E;\n\
                  pub(crate) use f::G;\n// use h::I;\npub struct Cause {\n}\n";
    let paths: Vec<_> = use_paths(source)
        .into_iter()
        .map(|(is_exported, path)| (is_exported, path.join("::")))
        .collect();
    let expected = [
        (false, "a::b"),
        (false, "a::c::self"),
        (false, "a::c::F"),
        (true, "super::E"),
        (true, "f::G"),
    ];
    assert_eq!(
        paths,
        expected.map(|(is_exported, path)| (is_exported, path.to_owned()))
    );
}
