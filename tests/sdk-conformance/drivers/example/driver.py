"""The driver of `examples/python-worker/stagecast.py`: runs one job of an external worker. The contract is in
../../README.md."""

import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).parents[4] / "examples/python-worker"))

import plan
import stagecast
from plan import output


def do(job, stage, step):
    match step:
        case {"progress": update}:
            job.progress(stage, update["progress"], update["message"])
        case {"sleep": seconds} | {"until_cancelled": seconds}:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(0.02)
                job.check_cancelled()
        case {"block": seconds}:
            time.sleep(seconds)
            job.check_cancelled()
        case {"attach": artifact}:
            job.attach(artifact["name"], artifact["content_type"], plan.content_of(artifact))
        case {"crash": _}:
            os._exit(137)
        case {"checkpoint": _}:
            plan.unsupported("the example has no checkpoints")
        case _:
            raise ValueError(f"there is no step {step}")


def run(job):
    for work in json.loads(job.input())["work"]:
        stage = work["stage"]
        if stage in job.finished:
            output("stage_skipped", stage=stage, results=job.finished[stage])
            continue
        output("stage_started", stage=stage)
        for step in work.get("steps", []):
            if "fail" in step:
                job.fail(step["fail"]["code"], step["fail"]["message"])
                output("job_ended", status="failed")
                return
            do(job, stage, step)
        job.finish_stage(stage, plan.results_of(work))
        output("stage_finished", stage=stage)
    job.complete()
    output("job_ended", status="completed")


def main():
    config = json.loads(sys.argv[1])
    if config["mode"] != "worker" or config["stages"] is None:
        plan.unsupported("the example runs one job with declared stages")
    keys = config["job_id"], config["worker_key"], config["stages"], config["worker_id"]
    try:
        with stagecast.Job(config["http_api"], *keys) as job:
            output("claimed", job_id=config["job_id"])
            try:
                run(job)
            except stagecast.Cancelled:
                output("cancelled", job_id=config["job_id"])
                job.cancelled()
                output("job_ended", status="cancelled")
    except stagecast.Refused as refused:
        output("lost", code=refused.code)
        sys.exit(1)
    finally:
        output("stopped")


if __name__ == "__main__":
    main()
