//! Packages: what Lambda runs, in the form that it takes.
//!
//! The same executable always gives the same bytes, so a package's hash says whether AWS has it.

use std::{
    fs,
    io::{self, Cursor, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::executable::{self, ExecutableError};
use crate::environments::Architecture;

/// What the `provided` runtimes start.
const BOOTSTRAP: &str = "bootstrap";

/// Lambda takes no more of a package, compressed, from S3 than this unpacked: 250 MB with layers.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const LARGEST: u64 = 250 * 1024 * 1024;

/// The package of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The function's name.
    pub function: &'static str,
    /// The SHA-256 of the package, in hexadecimal.
    pub hash: String,
    /// The package, a zip archive.
    pub bytes: Vec<u8>,
    /// The newest version of glibc that the executable asks for, if Lambda's is older: it would
    /// not start there.
    pub too_new_glibc: Option<String>,
}

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The executable is not there.
    #[error(
        "there is no executable of the function '{function}': neither '{}' nor '{}' is a file\n  \
         what to do: build it there, or leave out --binaries",
        plain.display(), nested.display()
    )]
    Missing {
        /// The function.
        function: &'static str,
        /// Where Cargo would put it.
        plain: PathBuf,
        /// Where cargo-lambda would put it.
        nested: PathBuf,
    },
    /// The executable cannot be read.
    #[error("'{}' cannot be read: {cause}", path.display())]
    Read {
        /// The executable.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Lambda could not start it.
    #[error("Lambda could not start '{}': {cause}", path.display())]
    Executable {
        /// The executable.
        path: PathBuf,
        /// Why.
        cause: ExecutableError,
    },
    /// It is larger than Lambda takes.
    #[error(
        "'{}' has {} MB, and Lambda takes no more than 250\n  what to do: build it with --release",
        path.display(), size / 1024 / 1024
    )]
    TooLarge {
        /// The executable.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// It could not be compressed.
    #[error("the package of the function '{function}' cannot be made: {cause}")]
    Zip {
        /// The function.
        function: &'static str,
        /// Why.
        cause: ZipError,
    },
}

impl Package {
    /// Packages the executable of a function that is in a folder, as Cargo or as cargo-lambda
    /// leaves it there: `websocket` or `websocket/bootstrap`.
    pub fn of(
        function: &'static str,
        folder: &Path,
        architecture: Architecture,
    ) -> Result<Self, PackageError> {
        let path = find(function, folder)?;
        let read = |path: &Path| fs::read(path);
        let executable = read(&path).map_err(|cause| PackageError::Read {
            path: path.clone(),
            cause,
        })?;
        let too_new_glibc = executable::check(&executable, architecture).map_err(|cause| {
            PackageError::Executable {
                path: path.clone(),
                cause,
            }
        })?;
        if executable.len() as u64 > LARGEST {
            let size = executable.len() as u64;
            return Err(PackageError::TooLarge { path, size });
        }
        let bytes = zip(&executable).map_err(|cause| PackageError::Zip { function, cause })?;
        Ok(Self {
            function,
            hash: format!("{:x}", Sha256::digest(&bytes)),
            bytes,
            too_new_glibc,
        })
    }

    /// Packages the executables of several functions, all at once.
    pub fn all(
        functions: &[&'static str],
        folder: &Path,
        architecture: Architecture,
    ) -> Result<Vec<Self>, PackageError> {
        std::thread::scope(|scope| {
            let packages: Vec<_> = functions
                .iter()
                .map(|function| scope.spawn(move || Self::of(function, folder, architecture)))
                .collect();
            packages
                .into_iter()
                .map(|package| match package.join() {
                    Ok(package) => package,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }

    /// The package's name in a folder or a bucket.
    pub fn key(&self) -> String {
        format!("{}/{}.zip", self.function, self.hash)
    }
}

fn find(function: &'static str, folder: &Path) -> Result<PathBuf, PackageError> {
    let plain = folder.join(function);
    let nested = plain.join(BOOTSTRAP);
    if nested.is_file() {
        Ok(nested)
    } else if plain.is_file() {
        Ok(plain)
    } else {
        Err(PackageError::Missing {
            function,
            plain,
            nested,
        })
    }
}

/// An archive with nothing in it that depends on when, where or by whom it is made.
fn zip(executable: &[u8]) -> Result<Vec<u8>, ZipError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(BOOTSTRAP, options)?;
    archive.write_all(executable)?;
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::deploy::executable::tests::elf;

    #[test]
    fn the_same_executable_gives_the_same_bytes_whenever_and_wherever_it_is_packaged() {
        let executable = [elf(Architecture::Arm64), b"code".repeat(1000)].concat();
        let [one, other] = ["jobs", "jobs/bootstrap"].map(|name| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(&path, &executable).expect("writable");
            // Neither the time nor the permissions of the file are part of the package.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mine");
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(name.len() as u64);
            fs::File::options()
                .write(true)
                .open(&path)
                .expect("there")
                .set_modified(time)
                .expect("mine");
            Package::of("jobs", folder.path(), Architecture::Arm64).expect("a package")
        });
        assert_eq!(one, other);
        assert_eq!(one.key(), format!("jobs/{}.zip", one.hash));
    }

    #[test]
    fn a_package_holds_the_executable_under_the_name_that_lambda_starts() {
        let executable = elf(Architecture::X86_64);
        let bytes = zip(&executable).expect("an archive");
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).expect("an archive");
        assert_eq!(archive.len(), 1);
        let mut file = archive.by_name("bootstrap").expect("there");
        assert_eq!(file.unix_mode().map(|mode| mode & 0o777), Some(0o755));
        let mut contents = Vec::new();
        file.read_to_end(&mut contents).expect("readable");
        assert_eq!(contents, executable);
    }

    #[test]
    fn an_executable_that_is_missing_is_named_with_both_places_where_it_could_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Package::of("jobs", folder.path(), Architecture::Arm64).expect_err("missing");
        let message = error.to_string();
        for place in ["jobs' nor", "jobs/bootstrap' is"] {
            assert!(message.contains(place), "{message}");
        }
    }

    #[test]
    fn an_executable_for_another_processor_is_refused_before_it_is_uploaded() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("jobs"), elf(Architecture::X86_64)).expect("writable");
        let error = Package::of("jobs", folder.path(), Architecture::Arm64).expect_err("not arm64");
        let message = error.to_string();
        assert!(
            message.contains("is built for x86_64, the function runs on arm64"),
            "{message}"
        );
    }
}
