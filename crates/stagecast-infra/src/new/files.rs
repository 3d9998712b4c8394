//! The files of a product, and their paths in its workspace.

/// The path of each file, and its text with placeholders. The files have other paths in this crate, where a
/// `Cargo.toml` would be a package.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        ".cargo/config.toml",
        include_str!("product/cargo-config.toml"),
    ),
    (".github/workflows/ci.yml", include_str!("product/ci.yml")),
    (".gitignore", include_str!("product/gitignore")),
    ("Cargo.toml", include_str!("product/workspace.toml")),
    ("README.md", include_str!("product/README.md")),
    (
        "contract/Cargo.toml",
        include_str!("product/contract/manifest.toml"),
    ),
    (
        "contract/src/lib.rs",
        include_str!("product/contract/lib.rs"),
    ),
    ("dev/Cargo.toml", include_str!("product/dev/manifest.toml")),
    ("dev/src/main.rs", include_str!("product/dev/main.rs")),
    (
        "handlers/Cargo.toml",
        include_str!("product/handlers/manifest.toml"),
    ),
    (
        "handlers/clippy.toml",
        include_str!("product/handlers/clippy.toml"),
    ),
    (
        "handlers/src/bin/delivery.rs",
        include_str!("product/handlers/bin/delivery.rs"),
    ),
    (
        "handlers/src/bin/jobs.rs",
        include_str!("product/handlers/bin/jobs.rs"),
    ),
    (
        "handlers/src/bin/pipeline.rs",
        include_str!("product/handlers/bin/pipeline.rs"),
    ),
    (
        "handlers/src/bin/webhooks.rs",
        include_str!("product/handlers/bin/webhooks.rs"),
    ),
    (
        "handlers/src/bin/websocket.rs",
        include_str!("product/handlers/bin/websocket.rs"),
    ),
    (
        "handlers/src/bin/worker.rs",
        include_str!("product/handlers/bin/worker.rs"),
    ),
    (
        "handlers/src/lib.rs",
        include_str!("product/handlers/lib.rs"),
    ),
    (
        "infra-gen/Cargo.toml",
        include_str!("product/infra-gen/manifest.toml"),
    ),
    (
        "infra-gen/src/lib.rs",
        include_str!("product/infra-gen/lib.rs"),
    ),
    (
        "infra-gen/src/main.rs",
        include_str!("product/infra-gen/main.rs"),
    ),
    ("justfile", include_str!("product/justfile")),
    (
        "local/Cargo.toml",
        include_str!("product/local/manifest.toml"),
    ),
    ("local/src/main.rs", include_str!("product/local/main.rs")),
    (
        "rust-toolchain.toml",
        include_str!("product/rust-toolchain.toml"),
    ),
    ("sample.csv", include_str!("product/sample.csv")),
    (
        "tests/Cargo.toml",
        include_str!("product/tests/manifest.toml"),
    ),
    (
        "tests/scenarios.rs",
        include_str!("product/tests/scenarios.rs"),
    ),
];
