//! Only HTTP APIs have a stage `$default`.

use constructs::StageName;

const STAGE: StageName = StageName::new("$default");

fn main() {
    assert_eq!(STAGE.as_str(), "$default");
}
