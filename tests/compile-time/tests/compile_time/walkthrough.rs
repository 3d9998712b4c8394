//! Follows the walkthroughs of the book on a copy of the workspace. A walkthrough goes from one compiler
//! error to the next until a change works.

use std::fs;

use crate::{
    page::{self, Step},
    workspace::{self, Copy},
};

/// The pages with walkthroughs, relative to `docs`.
const PAGES: [&str; 5] = [
    "guide/stages.md",
    "contribute/add-a-route.md",
    "contribute/add-a-permission.md",
    "contribute/add-a-table.md",
    "contribute/add-a-function.md",
];

#[test]
#[ignore = "builds the workspace once more, in minutes: .ci/steps/walkthroughs"]
fn walkthroughs_of_the_documentation_work() {
    let folder = workspace::original().join("docs");
    // One after the other, because they share a copy.
    for name in PAGES {
        let text = fs::read_to_string(folder.join(name)).expect("the page");
        eprintln!("{name}");
        let copy = Copy::fresh();
        for step in page::steps(&text) {
            match step {
                Step::Change(change) => copy.apply(&change),
                Step::Run(run) => copy.run(&run),
            }
        }
    }
}
