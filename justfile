# Short names for the commands of the documentation. `just` lists them.

[private]
default:
    @just --list --unsorted

# Build and run the whole system on this machine.
dev *arguments:
    cargo dev {{ arguments }}

# Run every test of the workspace.
test *arguments:
    cargo test --workspace {{ arguments }}

# Follow the walkthroughs of the documentation on a copy of the workspace.
walkthroughs:
    bash .ci/steps/walkthroughs

# Format the Rust code.
format:
    cargo fmt

# Check formatting and lints.
lint:
    bash .ci/run format lint

# Build the documentation of the crates. Its front page is that of `stagecast`.
doc:
    cargo doc --workspace --no-deps
    echo '<meta http-equiv="refresh" content="0; url=stagecast/index.html">' > "${CARGO_TARGET_DIR:-target}/doc/index.html"
    @echo "Open ${CARGO_TARGET_DIR:-target}/doc/index.html"

# Check that the documentation of the crates has no warnings.
rustdoc:
    bash .ci/steps/rustdoc

# Check the spelling of code and documentation.
spelling:
    bash .ci/steps/spelling

# Check licences, sources and bans of dependencies; `just dependencies advisories` for known vulnerabilities.
dependencies *checks:
    bash .ci/steps/dependencies {{ checks }}

# Check the length of commit subjects, by default of the commits that are not in origin/main.
commits *range:
    bash .ci/steps/commits {{ range }}

# Build the documentation book to target/book and check its links.
book *arguments:
    bash .ci/steps/book {{ arguments }}

# Render the API reference to generated/docs.
docs:
    npm --prefix crates/stagecast-infra/api-pages ci
    npm --prefix crates/stagecast-infra/api-pages run build

# Generate the files in generated/ from the code.
synth *arguments:
    cargo run --package infra-gen -- synth {{ arguments }}

# Check the stack for errors that neither the compiler nor CloudFormation's schemas find.
check *arguments:
    cargo run --package infra-gen -- check {{ arguments }}

# Compare generated/ with the code: exit 1 and a diff when they differ.
check-generated:
    cargo run --package infra-gen -- synth --check

# Run independent validators on the templates and documents.
templates:
    bash .ci/steps/templates

# Build the progress page into generated/page.
page:
    cd client && npm ci && npm run page

# Test the client library and the progress page, also in a browser.
client:
    bash client/ci

# Run every example against a local stack.
examples:
    bash .ci/steps/examples

# Write a product with `infra-gen new`, check it, and run a job on its local stack.
product:
    bash .ci/steps/product

# Deploy to an AWS emulator with enforced IAM, and run the scenarios there.
conformance *arguments:
    tests/conformance/run {{ arguments }}

# Run the conformance suite of the SDKs: `just sdk-conformance --only python -k queue/`.
sdk-conformance *arguments:
    tests/sdk-conformance/run {{ arguments }}

# Measure the line coverage of the tests; needs cargo-llvm-cov.
coverage *arguments:
    tests/coverage {{ arguments }}

# Build the functions and deploy the stack.
deploy *arguments:
    cargo run --package infra-gen -- deploy {{ arguments }}

# Show what a deployment would change in the template; the functions' code is not compared.
diff *arguments:
    cargo run --package infra-gen -- diff {{ arguments }}

# Print the deployed stack's URLs, names and ids.
outputs *arguments:
    cargo run --package infra-gen -- outputs {{ arguments }}

# Delete the stack.
destroy *arguments:
    cargo run --package infra-gen -- destroy {{ arguments }}

# Build and pack the functions as for a deployment.
packages:
    bash .ci/steps/packages

# Run all steps of CI, or some: `just ci format lint`.
ci *steps:
    bash .ci/run {{ steps }}
