#!/usr/bin/env bash
# Runs every example as its first lines say, against a stack of its own.
#
#   cargo build --workspace --bins
#   examples/test.sh target/debug/local
#
# Needs Python, Node, Bash 4 and Chromium, which CHROMIUM names; without Chromium the React example is only built.
# Installs the examples' dependencies beside them.
set -euo pipefail
cd "$(dirname "$0")/.."

stack="$1"
work="$(mktemp -d)"
venv="${EXAMPLES_VENV:-$work/venv}"
coproc STACK { exec "$stack" --json --port 0 --pace 200 2>"$work/log"; }
stack_pid="$STACK_PID"
vite_pid=
trap 'kill "$stack_pid" $vite_pid; rm -rf "$work"' EXIT
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
"$venv/bin/python" examples/python_test.py

[ -e client/dist/index.js ] || { npm --prefix client ci --silent && npm --prefix client run --silent build; }
npm --prefix examples/node ci --silent
node examples/node/watch.mjs client/page/sample-plan.png >"$work/out"
expect 'stage_2 has finished' node
expect '"rooms"' node

npm --prefix examples/react ci --silent
npm --prefix examples/react run --silent build
chromium="${CHROMIUM:-/usr/bin/chromium}"
if [ -x "$chromium" ]; then
    [ -d client/node_modules/@playwright/test ] || npm --prefix client ci --silent
    # As `npm run dev`, in one process that can be stopped.
    (cd examples/react && exec node_modules/.bin/vite --port 0 --clearScreen false) >"$work/vite" 2>&1 &
    vite_pid=$!
    dev_server() { sed -n 's/\x1b\[[0-9;]*m//g; s|.*\(http://localhost:[0-9]*/\).*|\1|p' "$work/vite"; }
    until dev_server | grep --quiet .; do
        kill -0 "$vite_pid" || { cat "$work/vite"; echo 'react: the dev server has ended' >&2; exit 1; }
        sleep 0.1
    done
    CHROMIUM="$chromium" node examples/react_test.mjs "$(dev_server)" client/page/sample-plan.png
else
    echo "react: only built, because there is no Chromium at $chromium: say with CHROMIUM where it is" >&2
fi

python3 examples/python-worker/submit.py README.md | tee "$work/job" | python3 examples/python-worker/worker.py >"$work/out"
expect 'is completed' python-worker
key="$(sed -n 's/.*"access_key":"\([^"]*\)".*/\1/p' "$work/job")"
path="$(sed -n 's/.*"status_url":"\([^"]*\)".*/\1/p' "$work/job")"
curl --silent --fail-with-body -H "authorization: Bearer $key" "$STAGECAST_URL$path/results" >"$work/out"
expect '"most_common":[["the",' python-worker

# What README.md does by hand, with the job and the key that it gets.
by_hand="$(sed -n '/By hand:$/,/^```$/p' README.md | sed -n 's/^\$ //p; /^    /p' |
    sed "s|http://127.0.0.1:4800|$STAGECAST_URL|")"
curl_job="${by_hand%%$'\n'*}"
bash -ec "$curl_job --silent" >"$work/job"
made() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/job"; }
bash -ec "$(sed "s|job_[0-9]*_[0-9a-f]*…|$(made job_id)|; s|Bearer [0-9a-f]*…|Bearer $(made worker_key)|
    s|^curl|& --silent --fail-with-body|" <<<"${by_hand#*$'\n'}")" >"$work/out" ||
    { cat "$work/out"; echo 'the session by hand: a request was refused' >&2; exit 1; }
expect 'one two three' 'the session by hand'
expect '"seq":2,"status":"completed"' 'the session by hand'

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
