//! Packages: zip archives with a function's executable.
//!
//! Equal executables give equal bytes, so the hash shows whether a package was uploaded before.

use std::{
    fs,
    io::{self, Cursor, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions};

use crate::executable::{self, ExecutableError};
use cloudformation::resources::lambda::Architecture;

/// The file name that Lambda's `provided` runtimes start.
const BOOTSTRAP: &str = "bootstrap";

/// The largest executable in bytes. Lambda limits a function to 250 MB, uncompressed, with layers.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const MAX_EXECUTABLE_BYTES: u64 = 250 * 1024 * 1024;

/// The package of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The function's name.
    pub function: &'static str,
    /// The SHA-256 of the package, in hexadecimal.
    pub hash: String,
    /// The package, a zip archive.
    pub bytes: Vec<u8>,
    /// The version of glibc that the executable needs, if it is newer than Lambda's.
    pub too_new_glibc: Option<String>,
}

/// Why a function cannot be packaged.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is no executable.
    #[error(
        "there is no executable of the function '{function}': neither '{}' nor '{}' is a file\n  \
         help: build it there",
        plain.display(), nested.display()
    )]
    Missing {
        /// The function.
        function: &'static str,
        /// The path that Cargo writes.
        plain: PathBuf,
        /// The path that cargo-lambda writes.
        nested: PathBuf,
    },
    /// The executable cannot be read.
    #[error("cannot read '{}': {cause}", path.display())]
    Read {
        /// The executable.
        path: PathBuf,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// Lambda cannot start the executable.
    #[error("Lambda cannot start '{}': {cause}", path.display())]
    Executable {
        /// The executable.
        path: PathBuf,
        /// The reason.
        cause: ExecutableError,
    },
    /// The executable is larger than Lambda allows.
    #[error(
        "'{}' has {} MB; Lambda allows 250\n  help: build it with --release",
        path.display(), size / 1024 / 1024
    )]
    TooLarge {
        /// The executable.
        path: PathBuf,
        /// The size in bytes.
        size: u64,
    },
    /// The executable could not be compressed.
    #[error("cannot package the function '{function}': {cause}")]
    Zip {
        /// The function.
        function: &'static str,
        /// The error of the zip library.
        cause: ZipError,
    },
}

impl Package {
    /// Packages the executable of a function in a folder: `websocket`, as Cargo writes it, or
    /// `websocket/bootstrap`, as cargo-lambda does.
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
        if executable.len() as u64 > MAX_EXECUTABLE_BYTES {
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

    /// Packages the executables of several functions in parallel.
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

    /// The path of the package in a folder or a bucket: function and hash.
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

/// Writes an archive without times, users and other details of this machine.
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
    use crate::executable::tests::elf;

    #[test]
    fn equal_executables_give_equal_packages() {
        let executable = [elf(Architecture::Arm64), b"code".repeat(1000)].concat();
        let [one, other] = ["jobs", "jobs/bootstrap"].map(|name| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(&path, &executable).expect("writable");
            // Neither the time nor the permissions of the file affect the package.
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
    fn package_has_the_executable_under_the_name_lambda_starts() {
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
    fn missing_executable_is_reported_with_both_paths() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Package::of("jobs", folder.path(), Architecture::Arm64).expect_err("missing");
        let message = error.to_string();
        for place in ["jobs' nor", "jobs/bootstrap' is"] {
            assert!(message.contains(place), "{message}");
        }
    }

    #[test]
    fn executable_for_another_processor_is_refused() {
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
