//! What the functions are linked with.

use std::{collections::BTreeSet, process::Command};

/// Crates that bring TLS or the cryptography below it. A second one is a megabyte more to load at
/// every cold start; the SDK's default features would bring it.
const TLS: [&str; 11] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "boring",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
    "rustls",
    "s2n-tls",
    "schannel",
];

#[test]
fn functions_have_one_tls_stack() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
    for function in contract::functions::ALL {
        cargo.args(["--package", function.name]);
    }
    let output = cargo.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tree = String::from_utf8(output.stdout).expect("a tree");
    // With its version: two versions of one crate are two stacks, too.
    let versions: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?))
        })
        .filter(|(name, _)| TLS.contains(name))
        .collect();
    let names: Vec<_> = versions.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["ring", "rustls"], "{versions:?}");
}
