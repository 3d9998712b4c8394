//! The README follows the compiler from error to error until a change works; so does this test, on
//! a copy of the workspace.

use std::fs;

use crate::{
    readme::{self, Step},
    workspace::{self, Copy},
};

#[test]
fn the_compiler_leads_through_a_change_as_the_readme_says() {
    let readme = fs::read_to_string(workspace::original().join("README.md")).expect("the README");
    // One after the other: they share a copy.
    for heading in [
        "Put in your own stages",
        "Add a route",
        "Give a function a permission",
    ] {
        let copy = Copy::fresh();
        for step in readme::steps(&readme, heading) {
            match step {
                Step::Change(change) => copy.apply(&change),
                Step::Run(run) => copy.run(&run),
            }
        }
    }
}
