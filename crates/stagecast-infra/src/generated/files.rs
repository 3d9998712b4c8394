//! Writes generated files, and compares them with the existing ones.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use similar::TextDiff;
use tempfile::NamedTempFile;

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// The path in the folder of generated files.
    pub path: PathBuf,
    /// The text of the file.
    pub contents: String,
}

/// The result of a comparison with the existing file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The files are equal.
    Same,
    /// There is no such file.
    Missing,
    /// The files differ. Contains a unified diff from the existing to the generated file.
    Different(String),
}

/// A file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be written.
    #[error(
        "cannot write '{}': {cause}\n  help: check the owner of the folder, or choose another with \
         --output-dir",
        path.display()
    )]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The existing file cannot be read.
    #[error("cannot read '{}': {cause}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
}

/// Writes files into a folder: all of them, or none if one cannot be written. Each file is replaced
/// atomically, so a concurrent reader never sees half of one.
pub fn write<'a>(
    files: impl IntoIterator<Item = &'a GeneratedFile>,
    folder: &Path,
) -> Result<(), FileError> {
    let staged: Vec<_> = files
        .into_iter()
        .map(|file| file.stage(folder))
        .collect::<Result<_, _>>()?;
    for (file, path) in staged {
        file.persist(&path).map_err(|error| FileError::Write {
            path,
            cause: error.error,
        })?;
    }
    Ok(())
}

impl GeneratedFile {
    /// Writes a temporary file beside the path of the file.
    fn stage(&self, folder: &Path) -> Result<(NamedTempFile, PathBuf), FileError> {
        let path = folder.join(&self.path);
        match self.write_beside(&path) {
            Ok(file) => Ok((file, path)),
            Err(cause) => Err(FileError::Write { path, cause }),
        }
    }

    fn write_beside(&self, path: &Path) -> io::Result<NamedTempFile> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        // A rename is atomic within one file system only.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(self.contents.as_bytes())?;
        make_readable(file.as_file())?;
        Ok(file)
    }

    /// Compares with the file in a folder.
    pub fn compare(&self, folder: &Path) -> Result<Comparison, FileError> {
        let path = folder.join(&self.path);
        match fs::read_to_string(&path) {
            Ok(found) if found == self.contents => Ok(Comparison::Same),
            Ok(found) => Ok(Comparison::Different(self.diff(&found, &path))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Comparison::Missing),
            Err(cause) => Err(FileError::Read { path, cause }),
        }
    }

    fn diff(&self, found: &str, path: &Path) -> String {
        let path = path.display().to_string();
        TextDiff::from_lines(found, &self.contents)
            .unified_diff()
            .header(&path, &format!("{path} (generated)"))
            .to_string()
    }
}

/// Temporary files have mode 0600; generated files are readable by all users.
#[cfg(unix)]
fn make_readable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(contents: &str) -> GeneratedFile {
        GeneratedFile {
            path: "deep/er/file.yaml".into(),
            contents: contents.to_owned(),
        }
    }

    #[test]
    fn compare_finds_a_written_file_equal_and_others_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = file("a\n");
        let compare = || file.compare(folder.path()).expect("readable");
        assert_eq!(compare(), Comparison::Missing);
        write([&file], folder.path()).expect("writable");
        assert_eq!(compare(), Comparison::Same);
    }

    #[test]
    fn compare_returns_a_unified_diff_to_the_generated_file() {
        let folder = tempfile::tempdir().expect("a folder");
        write([&file("a\nb\n")], folder.path()).expect("writable");
        let Comparison::Different(diff) = file("a\nc\n").compare(folder.path()).expect("readable")
        else {
            panic!("they differ");
        };
        assert!(diff.ends_with(" a\n-b\n+c\n"), "{diff}");
    }

    #[test]
    fn no_file_is_written_if_one_cannot_be() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("deep"), "a file").expect("writable");
        let first = GeneratedFile {
            path: "first.yaml".into(),
            contents: "a\n".to_owned(),
        };
        write([&first, &file("a\n")], folder.path()).expect_err("a file");
        let left: Vec<_> = fs::read_dir(folder.path())
            .expect("readable")
            .map(|entry| entry.expect("readable").file_name())
            .collect();
        assert_eq!(left, ["deep"]);
    }

    #[test]
    fn folder_that_cannot_be_written_is_reported() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("deep"), "a file").expect("writable");
        let error = write([&file("a\n")], folder.path()).expect_err("a file");
        let message = error.to_string();
        assert!(
            message.contains("cannot write '") && message.contains("file.yaml'"),
            "{message}"
        );
        assert!(message.contains("--output-dir"), "{message}");
    }
}
