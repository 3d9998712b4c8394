"""Creates a job for each line of standard input, and prints when it did. A process that stays, so that neither side
pays for a connection or an import."""

import json
import sys
import time

import celery_app
import stagecast

QUEUES = {"listening": "plans", "listening, in Rust": "transcripts", "polling": "reports"}


def emit(**line):
    print(json.dumps(line), flush=True)


def stagecast_job(client, queue, number):
    at = time.time_ns()
    created = client.create(queue=queue, parameters={"number": number})
    emit(job_id=created.job_id, at=at)
    first_progress_at = None
    for message in client.watch(created):
        if first_progress_at is None and message.type in ("progress_update", "stage_complete"):
            first_progress_at = time.time_ns()
    emit(first_progress_at=first_progress_at or time.time_ns())


def celery_task(number):
    at = time.time_ns()
    result = celery_app.work.delay(number)
    emit(job_id=result.id, at=at)
    messages = []
    # The states come over Redis' publish and subscribe; the subscription precedes the task.
    result.get(timeout=90, on_message=lambda _: messages.append(time.time_ns()))
    emit(first_progress_at=messages[0])


with stagecast.Client() as client:
    for line in sys.stdin:
        request = json.loads(line)
        if request["arm"] == "celery":
            celery_task(request["number"])
        else:
            stagecast_job(client, QUEUES[request["arm"]], request["number"])
