//! Checks of a template for mistakes that neither the compiler nor CloudFormation's schemas find.
//!
//! [`findings`] runs the checks of this crate. [`validators`] runs external validators.

mod finding;
mod limits;
mod names;
mod permissions;
mod protection;
mod references;
pub mod validators;

pub use finding::{Finding, Severity};
pub use names::shared_suffixes;

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
    use crate::{environments::Environment, stack};

    #[test]
    fn stack_has_no_problems_in_any_environment() {
        for name in Environment::names() {
            let environment = Environment::by_name(name).expect("it is known");
            let template = stack::synthesize(&environment).expect("a template");
            let problems: Vec<_> = findings(&template)
                .expect("renders")
                .into_iter()
                .filter(|finding| finding.severity == Severity::Problem)
                .collect();
            assert_eq!(problems, [], "{name}");
        }
    }
}
