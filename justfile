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

# Writes generated/ from the code.
synth *arguments:
    cargo run --quiet --package infra-gen -- synth {{ arguments }}

# Checks that generated/ is what the code says.
check:
    cargo run --quiet --package infra-gen -- synth --check

# Builds the functions and deploys the stack.
deploy *arguments:
    cargo run --quiet --package infra-gen -- deploy {{ arguments }}

# What a deployment of the code would change.
diff *arguments:
    cargo run --quiet --package infra-gen -- diff {{ arguments }}

# What the deployed stack tells: URLs, names, ids.
outputs *arguments:
    cargo run --quiet --package infra-gen -- outputs {{ arguments }}

# Deletes the stack.
destroy *arguments:
    cargo run --quiet --package infra-gen -- destroy {{ arguments }}

# Formatting and lints, as CI checks them.
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Everything that CI runs.
ci:
    bash .ci/run
