//! The options that decide whether the stack hosts the progress page.

use clap::Args;

#[cfg(feature = "deploy")]
use crate::{construct_options::PAGE, diff::TemplateDocument, environments::Environment};

/// Whether the stack hosts the progress page, if not as the environment says.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PageOptions {
    /// Host the progress page with S3 and CloudFront. Default: if the deployed stack does, or else the
    /// environment.
    #[arg(long, conflicts_with = "no_page")]
    page: bool,
    /// Do not host the progress page: delete the deployed one.
    #[arg(long)]
    no_page: bool,
}

impl PageOptions {
    /// What one of the two options says.
    pub(crate) fn chosen(self) -> Option<bool> {
        match (self.page, self.no_page) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// These options for a shell, with a space before it.
    #[cfg(feature = "deploy")]
    pub(crate) fn to_shell(self) -> &'static str {
        match self.chosen() {
            Some(true) => " --page",
            Some(false) => " --no-page",
            None => "",
        }
    }
}

/// The note for the user that a stack keeps its page.
#[cfg(feature = "deploy")]
pub(crate) const KEPT_PAGE_NOTE: &str = "the stack keeps its progress page; --no-page deletes it";

/// The logical id of the bucket with the page's files.
#[cfg(feature = "deploy")]
pub(crate) fn page_bucket() -> String {
    format!("{PAGE}Bucket")
}

/// Whether the stack of a template hosts the page.
#[cfg(feature = "deploy")]
pub(crate) fn hosts_page(template: &TemplateDocument) -> bool {
    template.resource_has(&format!("{PAGE}Distribution"), "DistributionConfig")
}

/// Whether a deployed stack keeps a page that the environment does not have: an option did not choose.
#[cfg(feature = "deploy")]
pub(crate) fn keeps_page(
    environment: &Environment,
    chosen: Option<bool>,
    deployed: Option<&TemplateDocument>,
) -> bool {
    chosen.is_none() && !environment.page && deployed.is_some_and(hosts_page)
}

#[cfg(all(test, feature = "deploy"))]
mod tests {
    use super::*;
    use crate::{stack::synthesize, template::Format, test_product};

    fn deployed(environment: &Environment) -> TemplateDocument {
        let template = synthesize(test_product::project(), environment).expect("a template");
        let json = template.to_json(Format::CloudFormation).expect("JSON");
        TemplateDocument::from_json(json).expect("a template")
    }

    #[test]
    fn deployed_page_is_kept_unless_an_option_chooses() {
        let without = Environment::dev();
        let with = Environment {
            page: true,
            ..Environment::dev()
        };
        let page = deployed(&with);
        assert!(keeps_page(&without, None, Some(&page)));
        assert!(!keeps_page(&without, Some(false), Some(&page)));
        assert!(!keeps_page(&with, None, Some(&page)), "it is no exception");
        assert!(!keeps_page(&without, None, Some(&deployed(&without))));
        assert!(!keeps_page(&without, None, None));
    }
}
