"""Creates a job from a floor plan and prints its messages until it ends, over HTTP alone.

    python examples/python/poll.py client/floor-plan/sample-plan.png

Needs no package. Durable messages are shown once and in order, progress at each request.
"""

import json
import os
import random
import sys
import time
import urllib.error
import urllib.request

URL = os.environ.get("STAGECAST_URL", "http://127.0.0.1:4800")


def create(path):
    with open(path, "rb") as file:
        request = urllib.request.Request(f"{URL}/v1/jobs", file.read(), {"content-type": "image/png"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def pages(job):
    """Yields the answers about the job's events, until it has ended."""
    after_seq = 0
    attempt = 0
    while True:
        request = urllib.request.Request(f"{URL}/v1/jobs/{job['job_id']}/events?after_seq={after_seq}")
        request.add_header("authorization", f"Bearer {job['access_key']}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                page = json.load(answer)
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429:
                sys.exit(f"{error}: {error.read().decode()}")
            attempt += 1
            time.sleep(random.uniform(0, min(30, 2**attempt / 4)))
            continue
        attempt = 0
        yield page
        if page["retry_after"] is None:
            return
        after_seq = page["next_after_seq"]
        # The jitter spreads the requests of clients that started together.
        time.sleep(page["retry_after"] * random.uniform(1, 1.1))


def main():
    job = create(sys.argv[1])
    print(job["job_id"])
    for page in pages(job):
        for event in page["events"]:
            print(json.dumps(event))
        snapshot = page["snapshot"]
        if snapshot["stage"] and snapshot["status"] == "running" and not page["more"]:
            print(f"{snapshot['overall_progress']:3} %  {snapshot['stage']}: {snapshot['message']}")
    if snapshot["status"] != "completed":
        print(json.dumps(snapshot.get("error"), indent=2))
        sys.exit(snapshot["status"])


if __name__ == "__main__":
    main()
