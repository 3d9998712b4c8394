# Short verbs over the commands of the README. `just` alone lists them.

[private]
default:
    @just --list --unsorted

# Builds and runs the whole system on this machine.
dev *arguments:
    cargo dev {{ arguments }}

# Runs every test.
test *arguments:
    cargo test --workspace {{ arguments }}

# Tells what of the code the tests run; with cargo-llvm-cov.
coverage *arguments:
    tests/coverage {{ arguments }}

# Proves what is deployed, on an emulator of AWS.
conformance *arguments:
    tests/conformance/run {{ arguments }}

# Writes generated/ from the code.
synth *arguments:
    cargo run --package infra-gen -- synth {{ arguments }}

# Checks the stack for what neither the compiler nor CloudFormation's schemas see.
check *arguments:
    cargo run --package infra-gen -- check {{ arguments }}

# Checks that generated/ is what the code says.
check-generated:
    cargo run --package infra-gen -- synth --check

# Builds the documentation of the crates. Its front page is the one of `contract`.
doc:
    cargo doc --workspace --no-deps
    echo '<meta http-equiv="refresh" content="0; url=contract/index.html">' > "${CARGO_TARGET_DIR:-target}/doc/index.html"
    @echo "Open ${CARGO_TARGET_DIR:-target}/doc/index.html"

# Renders the descriptions of the APIs to the pages in generated/docs.
docs:
    npm --prefix docs/api ci
    npm --prefix docs/api run build

# Runs every example against a stack of its own.
examples:
    cargo build --workspace --bins
    examples/test.sh "${CARGO_TARGET_DIR:-target}/debug/local"

# Builds the functions and deploys the stack.
deploy *arguments:
    cargo run --package infra-gen -- deploy {{ arguments }}

# What the code's template would change; the functions' code is not compared.
diff *arguments:
    cargo run --package infra-gen -- diff {{ arguments }}

# What the deployed stack tells: URLs, names, ids.
outputs *arguments:
    cargo run --package infra-gen -- outputs {{ arguments }}

# Deletes the stack.
destroy *arguments:
    cargo run --package infra-gen -- destroy {{ arguments }}

# Formatting and lints, as CI checks them.
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Builds the progress page into generated/page.
page:
    cd client && npm ci && npm run page

# Tests the client library and the page, in a browser too.
client:
    bash client/ci

# Everything that CI runs.
ci:
    bash .ci/run
