"""Creates a job from a floor plan and prints its progress until it ends.

    pip install -r examples/python/requirements.txt
    python examples/python/watch.py client/floor-plan/sample-plan.png

Reconnects after a broken connection. Durable messages are shown once and in order.
"""

import json
import os
import random
import sys
import time
import urllib.request

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

URL = os.environ.get("STAGECAST_URL", "http://127.0.0.1:4800")
ENDS = {"job_complete", "job_failed", "job_cancelled"}


def create(path):
    with open(path, "rb") as file:
        request = urllib.request.Request(f"{URL}/v1/jobs", file.read(), {"content-type": "image/png"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def messages(job):
    """Yields the job's messages: durable ones once and in order, progress as it comes."""
    seq = 0
    attempt = 0
    while True:
        try:
            with connect(job["websocket_url"]) as connection:
                subscribe = {key: job[key] for key in ("job_id", "access_key")}
                connection.send(json.dumps({"type": "subscribe", "after_seq": seq, **subscribe}))
                for frame in connection:
                    message = json.loads(frame)
                    if "type" not in message:
                        break  # An error message of API Gateway itself: connect again.
                    if message["type"] == "error" and message["code"] == "internal":
                        break  # An error of the service: connect again.
                    attempt = 0
                    if message["type"] == "error":
                        sys.exit(f"{message['code']}: {message['message']}")
                    if message["type"] in ENDS | {"stage_complete"}:
                        if message["seq"] <= seq:
                            continue  # A repeat, for example after a takeover of the job.
                        if message["seq"] > seq + 1:
                            break  # A message is missing: subscribe again after the last one.
                        seq = message["seq"]
                    yield message
                    if message["type"] in ENDS:
                        return
        except (WebSocketException, OSError):
            pass
        attempt += 1
        time.sleep(random.uniform(0, min(30, 2**attempt / 4)))


def results(job, message):
    """The job's results. Large results are not in the message: fetch them."""
    if message.get("results_url") is None:
        return message["results"]
    request = urllib.request.Request(URL + message["results_url"])
    # Very large results redirect to the bucket, which must not get the key.
    request.add_unredirected_header("authorization", f"Bearer {job['access_key']}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def main():
    job = create(sys.argv[1])
    print(job["job_id"])
    for message in messages(job):
        if message["type"] == "progress_update":
            remaining = message["estimated_seconds_remaining"]
            left = "" if remaining is None else f", {remaining} s left"
            print(f"{message['overall_progress']:3} %  {message['stage']}: {message['message']}{left}")
        elif message["type"] == "stage_complete":
            print(f"       {message['stage']} has finished")
        elif message["type"] == "job_complete":
            print(json.dumps(results(job, message), indent=2))
        elif message["type"] in ENDS:
            print(json.dumps(message.get("error"), indent=2))
            sys.exit(message["type"])


if __name__ == "__main__":
    main()
