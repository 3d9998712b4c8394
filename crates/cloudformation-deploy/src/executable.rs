//! Checks, before an upload, that Lambda can start an executable. Lambda itself reports a wrong
//! executable only at the first invocation, as `Runtime.InvalidEntrypoint`.

use object::{
    Endianness,
    elf::{self, FileHeader64},
    read::elf::FileHeader,
};

use cloudformation::resources::lambda::Architecture;

/// Why Lambda cannot start an executable.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ExecutableError {
    /// The file is no ELF executable with 64 bits and little-endian byte order.
    #[error(
        "it is not a 64-bit executable for Linux\n  help: build it for \
         {expected}-unknown-linux-gnu, as `cargo lambda build` does"
    )]
    NotLinux {
        /// The first part of the target's name.
        expected: &'static str,
    },
    /// The executable is for another processor.
    #[error(
        "it is built for {found}, the function runs on {expected}\n  help: build it for {expected}, \
         or deploy the function for {found}"
    )]
    OtherArchitecture {
        /// The processor that the ELF header names.
        found: String,
        /// The processor that the function is deployed on.
        expected: Architecture,
    },
    /// The tables that the ELF header refers to cannot be read.
    #[error("the executable is damaged: {0}\n  help: build it again; the file may be incomplete")]
    Damaged(String),
}

/// The version of glibc in Amazon Linux 2023, on which `provided.al2023` is based.
/// <https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html>
const LAMBDA_GLIBC: [u32; 2] = [2, 34];

/// Checks the ELF header and returns the newest version of glibc that the executable needs, if
/// Lambda's is older: Lambda would not start it.
/// <https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html>
pub(super) fn check(
    executable: &[u8],
    expected: Architecture,
) -> Result<Option<String>, ExecutableError> {
    let not_linux = ExecutableError::NotLinux {
        expected: match expected {
            Architecture::Arm64 => "aarch64",
            Architecture::X86_64 => "x86_64",
        },
    };
    let header = FileHeader64::<Endianness>::parse(executable).map_err(|_| not_linux.clone())?;
    let Ok(Endianness::Little) = header.endian() else {
        return Err(not_linux);
    };
    let machine = header.e_machine(Endianness::Little);
    if machine != machine_of(expected) {
        let known = Architecture::ALL
            .into_iter()
            .find(|it| machine_of(*it) == machine);
        return Err(ExecutableError::OtherArchitecture {
            found: known.map_or_else(
                || format!("the ELF machine {machine:?}"),
                |it| it.to_string(),
            ),
            expected,
        });
    }
    let newest = newest_glibc(header, executable)
        .map_err(|error| ExecutableError::Damaged(error.to_string()))?;
    let too_new = newest.filter(|version| *version > LAMBDA_GLIBC);
    Ok(too_new.map(|[major, minor]| format!("{major}.{minor}")))
}

const fn machine_of(architecture: Architecture) -> elf::Machine {
    match architecture {
        Architecture::Arm64 => elf::EM_AARCH64,
        Architecture::X86_64 => elf::EM_X86_64,
    }
}

/// The newest symbol version of glibc in the section `.gnu.version_r`. A static executable has no
/// such section.
/// <https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html>
fn newest_glibc(
    header: &FileHeader64<Endianness>,
    executable: &[u8],
) -> object::Result<Option<[u32; 2]>> {
    let endian = Endianness::Little;
    let sections = header.sections(endian, executable)?;
    let Some((mut libraries, names)) = sections.gnu_verneed(endian, executable)? else {
        return Ok(None);
    };
    let names = sections.strings(endian, executable, names)?;
    let mut newest = None;
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            newest = newest.max(glibc_version(version.name(endian, names)?));
        }
    }
    Ok(newest)
}

/// Parses `GLIBC_2.34`; `GLIBC_PRIVATE` and the versions of other libraries are none.
fn glibc_version(name: &[u8]) -> Option<[u32; 2]> {
    let version = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?;
    let mut parts = version.split('.');
    Some([parts.next()?.parse().ok()?, parts.next()?.parse().ok()?])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ELF header without sections.
    pub(crate) fn elf(architecture: Architecture) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(18, 0);
        header.extend(machine_number(architecture).to_le_bytes());
        header.resize(64, 0);
        header
    }

    fn machine_number(architecture: Architecture) -> u16 {
        match architecture {
            Architecture::Arm64 => 0xb7,
            Architecture::X86_64 => 0x3e,
        }
    }

    /// An executable that needs versions of one library: a header, three sections, the version
    /// table and its names.
    fn dynamic(versions: &[&str]) -> Vec<u8> {
        const SECTIONS: u64 = 64;
        const TABLE: u64 = SECTIONS + 3 * 64;
        let count = u16::try_from(versions.len()).expect("a few versions");
        let mut names = b"\0libc.so.6\0".to_vec();
        // Verneed: version 1, the number of its entries, the file, where they are, the next one.
        let mut table = [1_u16, count].map(u16::to_le_bytes).concat();
        table.extend([1_u32, 16, 0].map(u32::to_le_bytes).concat());
        for (index, version) in versions.iter().enumerate() {
            // Vernaux: hash, flags, the symbol's version, the name, the next one.
            let name = u32::try_from(names.len()).expect("a short table");
            let next = if index + 1 < versions.len() { 16 } else { 0 };
            table.extend([0, 0, name, next].map(u32::to_le_bytes).concat());
            names.extend(version.as_bytes());
            names.push(0);
        }
        let section = |kind: u32, offset: u64, size: u64, link: u32| {
            let mut header = [0, kind].map(u32::to_le_bytes).concat();
            header.extend([0, 0, offset, size].map(u64::to_le_bytes).concat());
            header.extend([link, 1].map(u32::to_le_bytes).concat());
            header.extend([4, 0].map(u64::to_le_bytes).concat());
            header
        };
        let mut file = elf(Architecture::X86_64);
        file[40..48].copy_from_slice(&SECTIONS.to_le_bytes());
        // The size of a section's header, their number, and the section with their names.
        file[58..64].copy_from_slice(&[64, 3, 1].map(u16::to_le_bytes).concat());
        let (table_size, names_size) = (table.len() as u64, names.len() as u64);
        file.extend(section(0, 0, 0, 0));
        file.extend(section(3, TABLE + table_size, names_size, 0));
        file.extend(section(0x6fff_fffe, TABLE, table_size, 1));
        file.extend(table);
        file.extend(names);
        file
    }

    #[test]
    fn check_tells_executables_apart_by_their_headers() {
        use Architecture::{Arm64, X86_64};
        assert_eq!(check(&elf(Arm64), Arm64), Ok(None));
        assert_eq!(check(&elf(X86_64), X86_64), Ok(None));
        let error = check(&elf(Arm64), X86_64).expect_err("the other processor");
        assert!(
            error.to_string().contains("deploy the function for arm64"),
            "{error}"
        );
        for other in [&b"#!/bin/sh\necho hello"[..], b"\x7fELF", b""] {
            let error = check(other, Arm64).expect_err("no executable").to_string();
            assert!(error.contains("aarch64-unknown-linux-gnu"), "{error}");
        }
    }

    #[test]
    fn check_refuses_a_big_endian_executable() {
        let mut executable = elf(Architecture::Arm64);
        executable[5] = 2;
        let error = check(&executable, Architecture::Arm64).expect_err("big-endian");
        assert!(matches!(error, ExecutableError::NotLinux { .. }), "{error}");
    }

    #[test]
    fn check_reports_a_glibc_that_lambda_does_not_have() {
        let newest = |versions: &[&str]| check(&dynamic(versions), Architecture::X86_64);
        assert_eq!(
            newest(&["GLIBC_2.17", "GLIBC_2.34", "GLIBC_PRIVATE"]),
            Ok(None)
        );
        assert_eq!(
            newest(&["GLIBC_2.39", "GLIBC_2.4", "GCC_3.0"]),
            Ok(Some("2.39".to_owned()))
        );
        assert_eq!(newest(&["ZLIB_9.9"]), Ok(None));
    }

    /// The texts of a program can hold anything, such as the names of versions.
    #[test]
    fn check_ignores_version_names_outside_of_the_version_table() {
        let mut executable = dynamic(&["GLIBC_2.17"]);
        executable.extend(b"GLIBC_2.99\0");
        assert_eq!(check(&executable, Architecture::X86_64), Ok(None));
    }

    #[test]
    fn check_refuses_an_executable_that_was_cut_short() {
        let mut executable = dynamic(&["GLIBC_2.17"]);
        executable.truncate(100);
        let error = check(&executable, Architecture::X86_64).expect_err("incomplete");
        assert!(matches!(error, ExecutableError::Damaged(_)), "{error}");
    }

    #[test]
    fn check_accepts_the_running_test_for_its_own_processor_only() {
        let path = std::env::current_exe().expect("a program");
        let executable = std::fs::read(path).expect("readable");
        let (own, other) = if cfg!(target_arch = "aarch64") {
            (Architecture::Arm64, Architecture::X86_64)
        } else {
            (Architecture::X86_64, Architecture::Arm64)
        };
        assert!(check(&executable, own).is_ok());
        assert!(check(&executable, other).is_err());
    }
}
