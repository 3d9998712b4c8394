#!/usr/bin/env bash
# Creates a job from a floor plan and prints its messages until it ends, with curl and wscat.
#
#   examples/curl/watch.sh client/floor-plan/sample-plan.png
set -euo pipefail

url="${STAGECAST_URL:-http://127.0.0.1:4800}"
plan="$1"

created="$(curl --silent --show-error --fail-with-body --data-binary "@$plan" -H 'content-type: image/png' "$url/v1/jobs")"
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$created"; }
job_id="$(field job_id)"
access_key="$(field access_key)"
websocket_url="$(field websocket_url)"

subscribe="{\"type\":\"subscribe\",\"job_id\":\"$job_id\",\"access_key\":\"$access_key\"}"
# wscat runs while its standard input is open.
coproc WSCAT { npx --yes wscat@6.1.0 --connect "$websocket_url" --execute "$subscribe" --wait -1; }
while read -r message <&"${WSCAT[0]}"; do
    printf '%s\n' "$message"
    case "$message" in
    *'"type":"job_complete"'* | *'"type":"job_failed"'* | *'"type":"job_cancelled"'*) break ;;
    esac
done
exec {WSCAT[1]}>&-

# The same results over HTTP.
curl --silent --show-error --fail-with-body -H "authorization: Bearer $access_key" "$url/v1/jobs/$job_id/results"
echo
