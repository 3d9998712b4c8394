"""An external worker in Python that counts the words of a text. Reads the output of submit.py.

    python examples/python-worker/submit.py README.md | python examples/python-worker/worker.py

Each stage starts from the results of the previous one, so the next worker continues the job of a crashed
one.
"""

import collections
import json
import os
import re
import socket
import sys
import time

from stagecast import Cancelled, Job, Refused

URL = os.environ.get("STAGECAST_URL", "http://127.0.0.1:4800")
PACE = float(os.environ.get("PACE", "0.5"))
"""Minimum duration of a stage in seconds, so that its progress can be seen."""

STAGES = ["split", "count", "pairs"]


def steps(job, stage, doing, items):
    """Yields the items and reports progress."""
    for done, item in enumerate(items, 1):
        yield item
        time.sleep(PACE / len(items))
        job.progress(stage, 100 * done // len(items), f"{doing} ({done} of {len(items)})...")


def split(job, _):
    paragraphs = [part for part in re.split(r"\n\s*\n", job.input().decode()) if part.strip()]
    words = [
        re.findall(r"[^\W\d_]+", paragraph.lower())
        for paragraph in steps(job, "split", "Splitting paragraphs", paragraphs)
    ]
    if not any(words):
        raise ValueError("the text has no words")
    return {"paragraphs": words}


def count(job, before):
    words = collections.Counter()
    for paragraph in steps(job, "count", "Counting words", before["paragraphs"]):
        words.update(paragraph)
    return {"paragraphs": before["paragraphs"], "words": words.total(), "most_common": words.most_common(10)}


def pairs(job, before):
    found = collections.Counter()
    for paragraph in steps(job, "pairs", "Looking for pairs", before["paragraphs"]):
        found.update(" ".join(pair) for pair in zip(paragraph, paragraph[1:]))
    return {"words": before["words"], "most_common": before["most_common"], "pairs": found.most_common(10)}


def run(job):
    results = None
    for stage, work in zip(STAGES, [split, count, pairs]):
        if stage in job.finished:
            results = job.finished[stage]
            continue
        job.progress(stage, 0, f"Starting {stage}...")
        results = work(job, results)
        job.finish_stage(stage, results)
    job.complete()


def main():
    created = json.loads(sys.stdin.readline())
    worker_id = re.sub(r"[^A-Za-z0-9_-]", "-", f"{socket.gethostname()}-{os.getpid()}")[:64]
    try:
        with Job(URL, created["job_id"], created["worker_key"], STAGES, worker_id) as job:
            try:
                run(job)
                print(f"{created['job_id']} is completed")
            except Cancelled:
                job.cancelled()
                print(f"{created['job_id']} was cancelled")
            except (ValueError, UnicodeDecodeError) as error:
                job.fail("no_text", str(error))
                print(f"{created['job_id']} has failed: {error}")
    except Refused as refused:
        sys.exit(f"{refused.code}: {refused}")


if __name__ == "__main__":
    main()
