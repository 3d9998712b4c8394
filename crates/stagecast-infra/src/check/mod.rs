//! Checks of a template for mistakes that neither the compiler nor CloudFormation's schemas find.
//!
//! [`findings`] runs the checks of this crate. [`validators`] runs external validators.

mod executables;
mod finding;
mod limits;
mod names;
mod permissions;
mod protection;
mod references;
mod tokens;
pub mod validators;
mod wire;

pub use executables::missing_executables;
pub use finding::{Finding, Severity};
pub use names::shared_suffixes;
pub use tokens::{local_keys, missing_tokens};
pub use wire::{Wire, WireError, broken_by};

use cloudformation::{RenderError, Template};

/// The findings of this crate's own checks in a template.
pub fn findings(template: &Template) -> Result<Vec<Finding>, RenderError> {
    Ok([
        references::findings(template)?,
        names::findings(template)?,
        permissions::findings(template),
        protection::findings(template),
        limits::findings(template)?,
    ]
    .concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack;

    #[test]
    fn stack_has_no_problems_in_any_environment() {
        let project = crate::test_product::project();
        for environment in project.environments() {
            let name = environment.name;
            let template = stack::synthesize(project, &environment).expect("a template");
            let problems: Vec<_> = findings(&template)
                .expect("renders")
                .into_iter()
                .filter(|finding| finding.severity == Severity::Problem)
                .collect();
            assert_eq!(problems, [], "{name}");
        }
    }
}
