//! Pages of the book follow the compiler from error to error until a change works; so does this
//! test, on a copy of the workspace.

use std::fs;

use crate::{
    page::{self, Step},
    workspace::{self, Copy},
};

/// The pages, in docs/contribute.
const PAGES: [&str; 4] = [
    "add-a-route.md",
    "add-a-permission.md",
    "add-a-table.md",
    "add-a-function.md",
];

#[test]
fn walkthroughs_work_as_their_pages_say() {
    let folder = workspace::original().join("docs/contribute");
    // One after the other: they share a copy.
    for name in PAGES {
        let text = fs::read_to_string(folder.join(name)).expect("the page");
        println!("{name}");
        let copy = Copy::fresh();
        for step in page::steps(&text) {
            match step {
                Step::Change(change) => copy.apply(&change),
                Step::Run(run) => copy.run(&run),
            }
        }
    }
}
