//! Writing generated files, and comparing what is there with what would be written.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use similar::TextDiff;
use tempfile::NamedTempFile;

/// A file that is written by this crate only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Where it is, within the folder of generated files.
    pub path: PathBuf,
    /// What is in it.
    pub contents: String,
}

/// What is there, compared with what would be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Same,
    /// Nothing.
    Missing,
    /// Something else. Holds the change that writing would make, as a unified diff.
    Different(String),
}

/// A file that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be written.
    #[error(
        "'{}' cannot be written: {cause}; see who owns the folder, or choose another with \
         --output-dir",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// It could not be read.
    #[error("'{}' cannot be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// Writes files into a folder: all of them, or none if one cannot be written. Whoever reads them
/// meanwhile sees each as it was or as it will be, never half of it.
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
    /// Writes the file beside its place.
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
        // A rename replaces a file at once, but only within a file system.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(self.contents.as_bytes())?;
        make_readable(file.as_file())?;
        Ok(file)
    }

    /// Compares the file with the one in a folder.
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
            .header(&path, &format!("{path} (as the code says)"))
            .to_string()
    }
}

/// Temporary files are their owner's alone; generated ones are everyone's to read.
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
    fn what_was_written_is_the_same_and_what_was_not_is_missing() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = file("a\n");
        let compare = || file.compare(folder.path()).expect("readable");
        assert_eq!(compare(), Comparison::Missing);
        write([&file], folder.path()).expect("writable");
        assert_eq!(compare(), Comparison::Same);
    }

    #[test]
    fn a_difference_is_a_unified_diff_towards_what_the_code_says() {
        let folder = tempfile::tempdir().expect("a folder");
        write([&file("a\nb\n")], folder.path()).expect("writable");
        let Comparison::Different(diff) = file("a\nc\n").compare(folder.path()).expect("readable")
        else {
            panic!("they differ");
        };
        assert!(diff.ends_with(" a\n-b\n+c\n"), "{diff}");
    }

    #[test]
    fn if_one_file_cannot_be_written_none_is() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("deep"), "in the way").expect("writable");
        let first = GeneratedFile {
            path: "first.yaml".into(),
            contents: "a\n".to_owned(),
        };
        write([&first, &file("a\n")], folder.path()).expect_err("in the way");
        let left: Vec<_> = fs::read_dir(folder.path())
            .expect("readable")
            .map(|entry| entry.expect("readable").file_name())
            .collect();
        assert_eq!(left, ["deep"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("deep"), "in the way").expect("writable");
        let error = write([&file("a\n")], folder.path()).expect_err("in the way");
        let message = error.to_string();
        assert!(
            message.contains("file.yaml' cannot be written"),
            "{message}"
        );
        assert!(message.contains("--output-dir"), "{message}");
    }
}
