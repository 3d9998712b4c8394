//! Follows the walkthroughs of the book on a copy of the workspace. A walkthrough goes from one compiler
//! error to the next until a change works.

use std::fs;

use crate::{
    page::{self, Step},
    workspace::{self, Copy, Overlay},
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

/// The steps of a page.
fn steps(name: &str) -> Vec<Step> {
    let path = workspace::original().join("docs").join(name);
    page::steps(&fs::read_to_string(path).expect("the page"))
}

/// Finds in milliseconds what most often breaks a walkthrough: lines around its changes that are different now.
#[test]
fn changes_of_the_walkthroughs_fit_the_sources() {
    for pages in PAGES {
        let mut overlay = Overlay::default();
        for name in pages {
            eprintln!("{name}");
            for step in steps(name) {
                if let Step::Change(change) = step {
                    overlay.apply(&change);
                }
            }
        }
    }
}

#[test]
#[ignore = "builds the workspace once more, in minutes: .ci/steps/walkthroughs"]
fn walkthroughs_of_the_documentation_work() {
    // One after the other, because they share a copy.
    for pages in PAGES {
        let copy = Copy::fresh();
        for name in pages {
            eprintln!("{name}");
            for step in steps(name) {
                match step {
                    Step::Change(change) => copy.apply(&change),
                    Step::Run(run) => copy.run(&run),
                }
            }
        }
    }
}
