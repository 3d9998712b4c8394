//! Follows the walkthroughs of the book on a copy of the workspace. A walkthrough goes from one compiler
//! error to the next until a change works.

use std::fs;

use crate::{
    page::{self, Step},
    workspace::{self, Copy},
};

/// The pages with walkthroughs, relative to `docs`. A page continues the one before it in its list.
const PAGES: [&[&str]; 4] = [
    &["guide/stages.md"],
    &[
        "guide/add-a-table.md",
        "guide/add-a-route.md",
        "guide/add-a-permission.md",
    ],
    &["guide/add-a-function.md"],
    &["contribute/add-a-message.md"],
];

#[test]
#[ignore = "builds the workspace once more, in minutes: .ci/steps/walkthroughs"]
fn walkthroughs_of_the_documentation_work() {
    let folder = workspace::original().join("docs");
    // One after the other, because they share a copy.
    for pages in PAGES {
        let copy = Copy::fresh();
        for name in pages {
            let text = fs::read_to_string(folder.join(name)).expect("the page");
            eprintln!("{name}");
            for step in page::steps(&text) {
                match step {
                    Step::Change(change) => copy.apply(&change),
                    Step::Run(run) => copy.run(&run),
                }
            }
        }
    }
}
