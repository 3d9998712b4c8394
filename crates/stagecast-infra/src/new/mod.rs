//! The workspace of a new product, which `infra-gen new` writes.
//!
//! The folder `product` contains its files as they are written, except for their paths, which [`files`]
//! lists, and the placeholders `{{name}}`, `{{title}}` and `{{stagecast}}`.

mod dependencies;
mod files;

pub(crate) use dependencies::StagecastSource;

use stagecast_contract::product::is_valid_name;

/// The name of a product, valid as [`Product::name`](stagecast_contract::product::Product::name).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProductName(String);

impl ProductName {
    /// Checks a name. For clap, which prints the name with the error.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        if is_valid_name(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(
                "use 1 to 20 lower-case letters, digits and hyphens, the first one a letter"
                    .to_owned(),
            )
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as text: `csv-totals` is "Csv totals".
    fn title(&self) -> String {
        let words = self.0.replace('-', " ");
        let (first, rest) = words.split_at(1);
        first.to_uppercase() + rest.trim_end()
    }
}

/// The files of a product with this name: paths in its folder, and contents.
pub(crate) fn files(
    name: &ProductName,
    stagecast: &StagecastSource,
) -> Vec<(&'static str, String)> {
    let (title, dependencies) = (name.title(), stagecast.dependencies());
    let fill = |text: &str| {
        text.replace("{{name}}", name.as_str())
            .replace("{{title}}", &title)
            .replace("{{stagecast}}", &dependencies)
    };
    files::FILES
        .iter()
        .map(|(path, text)| (*path, fill(text)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ProductName {
        ProductName::new(text).expect("a valid name")
    }

    fn contents(path: &str) -> String {
        let files = files(&name("csv-totals"), &StagecastSource::default());
        let mut files = files.into_iter();
        let (_, contents) = files.find(|(known, _)| *known == path).expect("a file");
        contents
    }

    #[test]
    fn names_are_those_that_a_product_may_have() {
        for text in ["a", "csv-totals", "a2345678901234567890"] {
            assert_eq!(ProductName::new(text).map(|it| it.0).as_deref(), Ok(text));
        }
        for text in [
            "",
            "1a",
            "-a",
            "Csv",
            "a_b",
            "a b",
            "../a",
            "a23456789012345678901",
        ] {
            let error = ProductName::new(text).expect_err(text);
            assert!(error.contains("1 to 20 lower-case letters"), "{error}");
        }
    }

    #[test]
    fn title_is_the_name_with_spaces_and_a_capital_letter() {
        let titles = ["imports", "csv-totals", "a-"].map(|text| name(text).title());
        assert_eq!(titles, ["Imports", "Csv totals", "A"]);
    }

    #[test]
    fn every_placeholder_is_filled_in() {
        for (path, contents) in files(&name("csv-totals"), &StagecastSource::default()) {
            // Expressions of just and of GitHub have a space after the braces.
            let placeholder = contents.match_indices("{{").find(|(start, _)| {
                contents[start + 2..].starts_with(|next: char| next.is_ascii_alphabetic())
            });
            assert_eq!(placeholder, None, "{path}");
        }
    }

    #[test]
    fn contract_declares_the_product() {
        let contract = contents("contract/src/lib.rs");
        for part in [
            "Product::new(\"csv-totals\", ",
            "name_prefix: \"csv-totals-\"",
            "description: \"Csv totals\"",
        ] {
            assert!(contract.contains(part), "{part} in {contract}");
        }
    }

    #[test]
    fn workspace_lists_every_package_and_its_executables() {
        let files = files(&name("csv-totals"), &StagecastSource::default());
        let paths: Vec<_> = files.iter().map(|(path, _)| *path).collect();
        let manifests = paths
            .iter()
            .filter_map(|path| path.strip_suffix("/Cargo.toml"));
        let packages: Vec<_> = manifests.map(|folder| format!("\"{folder}\"")).collect();
        let members = format!("members = [{}]", packages.join(", "));
        let workspace = contents("Cargo.toml");
        assert!(workspace.contains(&members), "{members} in {workspace}");
        for function in crate::test_product::PRODUCT.all_functions() {
            let path = format!("handlers/src/bin/{}.rs", function.name);
            assert!(paths.contains(&path.as_str()), "{path}");
        }
    }

    #[test]
    fn toolchain_is_the_one_that_stagecast_is_tested_with() {
        let ours = include_str!("../../../../rust-toolchain.toml");
        let channel = ours.lines().find(|line| line.starts_with("channel"));
        let channel = channel.expect("a channel");
        assert!(
            contents("rust-toolchain.toml").contains(channel),
            "{channel}"
        );
    }
}
