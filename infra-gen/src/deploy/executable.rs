//! Whether Lambda can start an executable. It says so itself only after everything is deployed, and
//! then not in these words.

use crate::environments::Architecture;

/// Why Lambda cannot start an executable.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExecutableError {
    /// It is for another operating system, or no program at all.
    #[error(
        "it is no 64-bit executable for Linux\n  what to do: build it for \
         {expected}-unknown-linux-gnu, as `cargo lambda build` does"
    )]
    NotLinux {
        /// The first part of the target's name.
        expected: &'static str,
    },
    /// It is for another processor.
    #[error(
        "it is for {found}, the function for {expected}\n  what to do: build it for {expected}, or \
         deploy with --architecture {found}"
    )]
    OtherArchitecture {
        /// What it is for.
        found: String,
        /// What it should be for.
        expected: Architecture,
    },
}

/// The version of glibc in Amazon Linux 2023, which is what `provided.al2023` runs on.
/// <https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>
const GLIBC: [u32; 2] = [2, 34];

/// Reads from the ELF header whether Lambda can start an executable.
/// <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>
pub(super) fn check(executable: &[u8], expected: Architecture) -> Result<(), ExecutableError> {
    // The magic number, 64 bits, the lowest byte first.
    let linux = executable.starts_with(b"\x7fELF\x02\x01");
    let machine = executable.get(18..20);
    let (true, Some(&[low, high])) = (linux, machine) else {
        return Err(ExecutableError::NotLinux {
            expected: match expected {
                Architecture::Arm64 => "aarch64",
                Architecture::X86_64 => "x86_64",
            },
        });
    };
    let machine = u16::from_le_bytes([low, high]);
    if machine == machine_of(expected) {
        return Ok(());
    }
    let found = [Architecture::Arm64, Architecture::X86_64]
        .into_iter()
        .find(|it| machine_of(*it) == machine);
    Err(ExecutableError::OtherArchitecture {
        found: found.map_or_else(|| format!("machine {machine:#x}"), |it| it.to_string()),
        expected,
    })
}

const fn machine_of(architecture: Architecture) -> u16 {
    match architecture {
        Architecture::Arm64 => 0xb7,
        Architecture::X86_64 => 0x3e,
    }
}

/// The newest version of glibc that an executable asks for, if that is newer than Lambda's. The
/// names of versions stand in the executable as texts.
pub(super) fn too_new_glibc(executable: &[u8]) -> Option<String> {
    const PREFIX: &[u8] = b"GLIBC_";
    let versions = executable
        .windows(PREFIX.len())
        .enumerate()
        .filter(|(_, window)| *window == PREFIX)
        .filter_map(|(start, _)| version(&executable[start + PREFIX.len()..]));
    let newest = versions.max()?;
    (newest > GLIBC).then(|| format!("{}.{}", newest[0], newest[1]))
}

fn version(text: &[u8]) -> Option<[u32; 2]> {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let mut parts = std::str::from_utf8(&text[..end]).ok()?.split('.');
    Some([parts.next()?.parse().ok()?, parts.next()?.parse().ok()?])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The start of an executable for Linux.
    pub(crate) fn elf(architecture: Architecture) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(18, 0);
        header.extend(machine_of(architecture).to_le_bytes());
        header
    }

    #[test]
    fn executables_are_told_apart_by_their_headers() {
        use Architecture::{Arm64, X86_64};
        assert_eq!(check(&elf(Arm64), Arm64), Ok(()));
        assert_eq!(check(&elf(X86_64), X86_64), Ok(()));
        let error = check(&elf(Arm64), X86_64).expect_err("another");
        assert!(
            error.to_string().contains("--architecture arm64"),
            "{error}"
        );
        for other in [&b"#!/bin/sh\necho hello"[..], b"\x7fELF", b""] {
            let error = check(other, Arm64).expect_err("no program").to_string();
            assert!(error.contains("aarch64-unknown-linux-gnu"), "{error}");
        }
    }

    #[test]
    fn a_glibc_that_lambda_does_not_have_is_noticed() {
        let asks_for = |versions: &[&str]| too_new_glibc(versions.join("\0").as_bytes());
        assert_eq!(
            asks_for(&["GLIBC_2.17", "GLIBC_2.34", "GLIBC_PRIVATE", ""]),
            None
        );
        assert_eq!(
            asks_for(&["GLIBC_2.39", "GLIBC_2.4", ""]),
            Some("2.39".to_owned())
        );
        assert_eq!(asks_for(&["static", ""]), None);
    }

    #[test]
    fn this_very_test_is_for_the_processor_that_it_runs_on() {
        let path = std::env::current_exe().expect("a program");
        let executable = std::fs::read(path).expect("readable");
        let (own, other) = if cfg!(target_arch = "aarch64") {
            (Architecture::Arm64, Architecture::X86_64)
        } else {
            (Architecture::X86_64, Architecture::Arm64)
        };
        assert_eq!(check(&executable, own), Ok(()));
        assert!(check(&executable, other).is_err());
    }
}
