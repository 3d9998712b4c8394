"""The worker in Python of all measurements: jobs of three queues that report, and print what they do."""

import json
import os
import time

import stagecast

QUEUES = ["plans", "transcripts", "reports"]
STEP_SECONDS = float(os.environ.get("STEP_SECONDS", "0"))


def emit(what, job, **more):
    print(json.dumps({"what": what, "job_id": job.id, "at": time.time_ns(), **more}), flush=True)


def compute(job, stage):
    stage.report(50, message="Halfway...")
    ends_at = time.monotonic() + STEP_SECONDS
    while (left := ends_at - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))
        job.check_cancelled()


def work(job):
    emit("started", job, attempt=job.attempt)
    with job.stage("first") as stage:
        compute(job, stage)
    with job.stage("second") as stage:
        compute(job, stage)
    return {"job_id": job.id, "process": os.getpid(), "number": job.parameters["number"]}


for name in os.environ.get("BENCH_QUEUES", ",".join(QUEUES)).split(","):
    stagecast.job(queue=name)(work)

if __name__ == "__main__":
    stagecast.run()
