#!/usr/bin/env bash
# Runs every example by its own instructions, against a new local stack.
#
#   cargo build --workspace --bins
#   examples/test.sh target/debug/local
#
# Needs Python, Node, Bash 4, GNU coreutils and Chromium, whose path is in CHROMIUM; without Chromium the React example is
# only built. Installs the examples' dependencies next to them. A step fails after TIMEOUT seconds (120); then the end of
# its output and of the stack's log is printed.
set -euo pipefail
cd "$(dirname "$0")/.."

stack="$1"
work="$(mktemp -d)"
venv="${EXAMPLES_VENV:-$work/venv}"
time_limit="${TIMEOUT:-120}"
stack_pid=
vite_pid=
receiver_pids=
finish() {
    local status=$?
    kill $stack_pid $vite_pid $receiver_pids || true
    if [ "$status" != 0 ]; then
        for file in "$work"/{job,status,out,vite,webhooks.py,webhooks.mjs,log}; do
            [ -s "$file" ] && printf -- '-- the end of %s:\n%s\n' "${file##*/}" "$(tail -n 40 "$file")" >&2
        done
    fi
    rm -rf "$work"
}
trap finish EXIT

fail() { echo "$1" >&2; exit 1; }
expect() { grep --quiet --fixed-strings "$1" "$work/out" || fail "$2: no '$1'"; }

# Runs a command with a time limit, and stores its output for `expect`.
run() {
    local name="$1" status=0
    timeout "$time_limit" "${@:2}" >"$work/out" || status=$?
    case "$status" in
    0) ;;
    124) fail "$name: did not end within $time_limit s" ;;
    *) fail "$name: ended with status $status" ;;
    esac
}

# Waits until a command succeeds.
await() {
    local what="$1" until=$((SECONDS + time_limit))
    until "${@:2}"; do
        [ "$SECONDS" -lt "$until" ] || fail "timeout after $time_limit s: $what"
        sleep 0.1
    done
}

# Receivers of webhooks, which verify them with the libraries of Standard Webhooks. The one in Python gets the events of all
# jobs, the one in Node those of a job that names it.
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement examples/webhooks/requirements.txt
npm --prefix examples/webhooks ci --silent
WEBHOOK_SECRET="whsec_$(head -c 32 /dev/urandom | base64)"
export WEBHOOK_SECRET
"$venv/bin/python" examples/webhooks/receiver.py 0 >"$work/webhooks.py" 2>&1 &
receiver_pids=$!
node examples/webhooks/receiver.mjs 0 >"$work/webhooks.mjs" 2>&1 &
receiver_pids="$receiver_pids $!"
for receiver in webhooks.py webhooks.mjs; do
    await "the receiver $receiver" grep --quiet '^http' "$work/$receiver"
done

coproc STACK {
    exec "$stack" --json --port 0 --setting STAGE_PACE_MS=200 --webhook "$(head -n 1 "$work/webhooks.py")" \
        --secret "stagecast/webhook-secret=$WEBHOOK_SECRET" 2>"$work/log"
}
stack_pid="$STACK_PID"
read -r -t "$time_limit" urls <&"${STACK[0]}" || fail 'the stack did not print its addresses'
STAGECAST_URL="$(sed -n 's/.*"http_api":"\([^"]*\)".*/\1/p' <<<"$urls")"
export STAGECAST_URL PACE=0.2

run curl examples/curl/watch.sh client/floor-plan/sample-plan.png
expect '"type":"job_complete"' curl
expect '{"rooms":[{"id":1' curl

"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement examples/python/requirements.txt
run python "$venv/bin/python" examples/python/watch.py client/floor-plan/sample-plan.png
expect 'stage_2 has finished' python
expect '"rooms"' python
run poll "$venv/bin/python" examples/python/poll.py client/floor-plan/sample-plan.png
expect '"type": "stage_complete"' poll
expect '"type": "job_complete"' poll
run python_test.py "$venv/bin/python" examples/python_test.py

[ -e client/dist/index.js ] || { npm --prefix client ci --silent && npm --prefix client run --silent build; }
npm --prefix examples/node ci --silent
run node node examples/node/watch.mjs client/floor-plan/sample-plan.png
expect 'stage_2 has finished' node
expect '"rooms"' node

npm --prefix examples/react ci --silent
npm --prefix examples/react run --silent build
chromium="${CHROMIUM:-/usr/bin/chromium}"
if [ -x "$chromium" ]; then
    [ -d client/node_modules/@playwright/test ] || npm --prefix client ci --silent
    # Like `npm run dev`, but in one process that can be stopped.
    (cd examples/react && exec node_modules/.bin/vite --port 0 --clearScreen false) >"$work/vite" 2>&1 &
    vite_pid=$!
    dev_server() { sed -n 's/\x1b\[[0-9;]*m//g; s|.*\(http://localhost:[0-9]*/\).*|\1|p' "$work/vite"; }
    is_ready() { kill -0 "$vite_pid" || fail 'react: the dev server has ended'; dev_server | grep --quiet .; }
    await "react's dev server" is_ready
    CHROMIUM="$chromium" run react node examples/react_test.mjs "$(dev_server)" client/floor-plan/sample-plan.png
else
    echo "react: only built, because there is no Chromium at $chromium: set CHROMIUM to its path" >&2
fi

run python_worker_test.py python3 examples/python_worker_test.py
echo 'to be or not to be: to count' >"$work/text"
python3 examples/python-worker/submit.py "$work/text" | tee "$work/job" |
    run python-worker python3 examples/python-worker/worker.py
expect 'is completed' python-worker
made() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/job"; }
key="$(made access_key)"
path="$(made status_url)"
# Results arrive byte for byte as the worker posted them, with the spaces that Python writes.
run results curl --silent --fail-with-body -H "authorization: Bearer $key" "$STAGECAST_URL$path/results"
expect '"most_common": [["to", 3], ["be", 2],' python-worker

# The stages of the floor plans in the worker in Rust, which is built beside the stack.
curl --silent --fail-with-body --data-binary @client/floor-plan/sample-plan.png -H 'content-type: image/png' \
    "$STAGECAST_URL/v1/jobs?worker=external" >"$work/job"
key="$(made access_key)"
path="$(made status_url)"
STAGECAST_WORKER_KEY="$(made worker_key)" run rust-worker "$(dirname "$stack")/rust-worker" --job "$(made job_id)"
run results curl --silent --fail-with-body -H "authorization: Bearer $key" "$STAGECAST_URL$path/results"
expect '{"rooms":[{"id":1' rust-worker

# The shell session of docs/guide/external-workers.md, with the id and the key of a new job.
by_hand="$(sed -n '/By hand:$/,/^```$/p' docs/guide/external-workers.md | sed -n 's/^\$ //p; /^    /p' |
    sed "s|http://127.0.0.1:4800|$STAGECAST_URL|")"
curl_job="${by_hand%%$'\n'*}"
run 'a job by hand' bash -ec "$curl_job --silent"
mv "$work/out" "$work/job"
run 'the session by hand' bash -ec "$(sed "s|job_[0-9]*_[0-9a-f]*…|$(made job_id)|; s|Bearer [0-9a-f]*…|Bearer $(made worker_key)|
    s|^curl|& --silent --fail-with-body|" <<<"${by_hand#*$'\n'}")"
expect 'one two three' 'the session by hand'
expect '"seq":2,"status":"completed"' 'the session by hand'

# Cancel a job during its first stage.
run submit python3 examples/python-worker/submit.py "$work/text"
mv "$work/out" "$work/job"
key="$(made access_key)"
path="$(made status_url)"
PACE=60 run python-worker python3 examples/python-worker/worker.py <"$work/job" &
worker=$!
is_running() {
    curl --silent --max-time 60 -H "authorization: Bearer $key" "$STAGECAST_URL$path" >"$work/status"
    grep --quiet '"status":"running"' "$work/status"
}
await 'a worker claims the job' is_running
curl --silent --max-time 60 --fail-with-body --request DELETE -H "authorization: Bearer $key" "$STAGECAST_URL$path" >/dev/null
wait "$worker"
expect 'was cancelled' python-worker
await 'a webhook in Python' grep --quiet "^job_cancelled of $(made job_id), seq 1$" "$work/webhooks.py"
await 'other webhooks in Python' grep --quiet '^job_complete of ' "$work/webhooks.py"
await 'webhooks of stages in Python' grep --quiet '^stage_complete of ' "$work/webhooks.py"

# A job that names the URL of its webhook and the events.
webhook="{\"url\":\"$(head -n 1 "$work/webhooks.mjs")\",\"events\":[\"job_cancelled\"]}"
curl --silent --max-time 60 --fail-with-body --data "{\"worker\":\"external\",\"webhook\":$webhook}" \
    -H 'content-type: application/vnd.stagecast.job+json' "$STAGECAST_URL/v1/jobs" >"$work/job"
curl --silent --max-time 60 --fail-with-body --request DELETE -H "authorization: Bearer $(made access_key)" \
    "$STAGECAST_URL$(made status_url)" >/dev/null
await 'a webhook in Node' grep --quiet "^job_cancelled of $(made job_id), seq 1$" "$work/webhooks.mjs"
if grep '^refused' "$work/webhooks.py" "$work/webhooks.mjs"; then
    fail 'a receiver has refused a webhook'
fi
echo 'all examples passed'
