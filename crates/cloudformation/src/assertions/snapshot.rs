//! The comparison of a template with a file.

use std::{env, fs, io, path::Path};

use similar::TextDiff;

/// The environment variable that makes a comparison write the file.
const UPDATE: &str = "UPDATE";

/// Compares `text` with the file at `path`, or writes the file if [`UPDATE`] is `1`. The error is for people.
pub(super) fn compare(path: &Path, text: &str) -> Result<(), String> {
    if env::var(UPDATE).is_ok_and(|value| value == "1") {
        return fs::write(path, text).map_err(|error| {
            format!("the snapshot {} cannot be written: {error}", path.display())
        });
    }
    let expected = match fs::read_to_string(path) {
        Ok(expected) => expected,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(format!(
                "the snapshot {} does not exist\n  help: run the test with {UPDATE}=1, which writes it",
                path.display()
            ));
        }
        Err(error) => {
            return Err(format!(
                "the snapshot {} cannot be read: {error}",
                path.display()
            ));
        }
    };
    if expected == text {
        return Ok(());
    }
    let diff = TextDiff::from_lines(expected.as_str(), text);
    Err(format!(
        "the template differs from the snapshot {}:\n{}\n  help: if the change is intended, run the test with \
         {UPDATE}=1, which writes the snapshot",
        path.display(),
        diff.unified_diff().context_radius(3)
    ))
}
