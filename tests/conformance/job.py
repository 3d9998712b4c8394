"""Runs one job over HTTP and prints its results.

    python tests/conformance/job.py http://127.0.0.1:4800 sample.csv text/csv
"""

import json
import sys
import time
import urllib.request

from pace import limit

# Seconds within which the job must end, on an idle machine.
TIMEOUT = 60


def results(http_api, content, media_type, trust=None):
    """Creates a job with this input on the HTTP API at `http_api`, and waits for its end. Returns the results
    as text. `trust` is an SSL context."""

    def send(path, data=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"{http_api}{path}", data, headers)
        with urllib.request.urlopen(request, context=trust, timeout=limit(TIMEOUT)) as response:
            return response.read().decode()

    created = json.loads(send("/v1/jobs", content, content_type=media_type))
    key = f"Bearer {created['access_key']}"
    path = f"/v1/jobs/{created['job_id']}"
    began = time.monotonic()
    while True:
        job = json.loads(send(path, authorization=key))
        if job["status"] == "completed":
            return send(f"{path}/results", authorization=key)
        if job["status"] not in ("queued", "running") or time.monotonic() - began > limit(TIMEOUT):
            raise SystemExit(f"the job did not complete: {json.dumps(job)}")
        time.sleep(0.2)


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        print(results(sys.argv[1], file.read(), sys.argv[3]))
