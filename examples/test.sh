#!/usr/bin/env bash
# Runs every example as its first lines say, against a stack of its own.
#
#   cargo build --workspace --bins
#   examples/test.sh target/debug/local
#
# Needs Python, Node and Bash 4; installs the examples' dependencies beside them.
set -euo pipefail
cd "$(dirname "$0")/.."

stack="$1"
work="$(mktemp -d)"
venv="${EXAMPLES_VENV:-$work/venv}"
coproc STACK { exec "$stack" --json --port 0 --pace 200 2>"$work/log"; }
stack_pid="$STACK_PID"
trap 'kill "$stack_pid"; rm -rf "$work"' EXIT
read -r urls <&"${STACK[0]}"
STAGECAST_URL="$(sed -n 's/.*"http_api":"\([^"]*\)".*/\1/p' <<<"$urls")"
export STAGECAST_URL PACE=0.2

expect() { grep --quiet --fixed-strings "$1" "$work/out" || { cat "$work/out"; echo "$2: no '$1'" >&2; exit 1; }; }

examples/curl/watch.sh client/page/sample-plan.png >"$work/out"
expect '"type":"job_complete"' curl
expect '{"rooms":[{"id":1' curl

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement examples/python/requirements.txt
"$venv/bin/python" examples/python/watch.py client/page/sample-plan.png >"$work/out"
expect 'stage_2 has finished' python
expect '"rooms"' python

[ -e client/dist/index.js ] || { npm --prefix client ci --silent && npm --prefix client run --silent build; }
npm --prefix examples/node ci --silent
node examples/node/watch.mjs client/page/sample-plan.png >"$work/out"
expect 'stage_2 has finished' node
expect '"rooms"' node

npm --prefix examples/react ci --silent
npm --prefix examples/react run --silent build

python3 examples/python-worker/submit.py README.md | tee "$work/job" | python3 examples/python-worker/worker.py >"$work/out"
expect 'is completed' python-worker
key="$(sed -n 's/.*"access_key":"\([^"]*\)".*/\1/p' "$work/job")"
path="$(sed -n 's/.*"status_url":"\([^"]*\)".*/\1/p' "$work/job")"
curl --silent --fail-with-body -H "authorization: Bearer $key" "$STAGECAST_URL$path/results" >"$work/out"
expect '"most_common":[["the",' python-worker

# Cancelled before its first stage has finished.
rm "$work/job"
PACE=60 python3 examples/python-worker/worker.py >"$work/out" < <(
    python3 examples/python-worker/submit.py README.md | tee "$work/job"
) &
worker=$!
status() { curl --silent -H "authorization: Bearer $key" "$STAGECAST_URL$path"; }
until [ -s "$work/job" ]; do sleep 0.1; done
key="$(sed -n 's/.*"access_key":"\([^"]*\)".*/\1/p' "$work/job")"
path="$(sed -n 's/.*"status_url":"\([^"]*\)".*/\1/p' "$work/job")"
until status | grep --quiet '"status":"running"'; do sleep 0.1; done
curl --silent --fail-with-body --request DELETE -H "authorization: Bearer $key" "$STAGECAST_URL$path" >/dev/null
wait "$worker"
expect 'was cancelled' python-worker
echo 'every example runs'
