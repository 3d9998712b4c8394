# Sourced by every script in .ci/steps: changes to the workspace root, sets one build cache, installs pinned Python tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/stagecast/target}"
# Incremental compilation takes gigabytes, and a machine that builds once has no use for it.
[ -z "${CI:-}" ] || export CARGO_INCREMENTAL="${CARGO_INCREMENTAL:-0}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
tools="$CARGO_TARGET_DIR/tools"
mkdir -p "$tools"

# python_tools NAME FILE: installs the packages of a requirements file into $tools/NAME, and sets `bin` to its executables.
python_tools() {
    bin="$tools/$1/bin"
    [ -x "$bin/python" ] || python3 -m venv "$tools/$1"
    "$bin/pip" install --quiet --disable-pip-version-check --requirement "$2"
}

# build_binaries: builds the executables of the workspace into $binaries. All packages at once, as the tests do: another selection
# of packages has other features, and compiles the AWS SDKs again.
binaries="$CARGO_TARGET_DIR/debug"
build_binaries() {
    cargo build --quiet --workspace --bins --locked
}
