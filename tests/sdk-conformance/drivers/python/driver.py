"""The driver of the Python SDK. The contract is in ../../README.md."""

import asyncio
import hashlib
import json
import logging
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import plan
import stagecast
from stagecast import _feed
from plan import output


def do(job, stage, step):
    match step:
        case {"progress": update}:
            counts = {"done": update.get("completed"), "total": update.get("total"), "unit": update.get("unit")}
            stage.report(update["progress"], update["message"], **counts)
        case {"sleep": seconds} | {"until_cancelled": seconds}:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(0.02)
                job.check_cancelled()
        case {"block": seconds}:
            time.sleep(seconds)
        case {"checkpoint": state}:
            stage.checkpoint(state, wait=True)
            output("checkpoint_stored", stage=stage.name)
        case {"attach": artifact}:
            content = plan.content_of(artifact)
            job.attach(artifact["name"], content, artifact["content_type"])
        case {"fail": failure}:
            raise stagecast.Failure(failure["code"], failure["message"])
        case {"crash": _}:
            os._exit(137)
        case _:
            raise ValueError(f"there is no step {step}")


def run_plan(job):
    """The job function: runs the plan that is the input of the job."""
    output("claimed", job_id=job.id, attempt=job.attempt)
    try:
        content = job.input()
        output("input", sha256=hashlib.sha256(content).hexdigest())
        results = None
        for work in json.loads(content)["work"]:
            stage = job.stage(work["stage"])
            if stage.finished:
                output("stage_skipped", stage=stage.name, results=stage.result)
                results = stage.result
                continue
            output("stage_started", stage=stage.name, checkpoint=stage.state)
            for step in plan.steps_of(work, stage.state):
                do(job, stage, step)
            results = plan.results_of(work)
            stage.complete(results)
            output("stage_finished", stage=stage.name)
        return results
    except stagecast.Cancelled:
        output("cancelled", job_id=job.id)
        raise
    except stagecast.LeaseLost as lost:
        output("lost", job_id=job.id, reason=str(lost))
        raise
    except stagecast.Released:
        output("released", job_id=job.id)
        raise


def run_worker(config):
    function = stagecast.job(stages=config["stages"])(run_plan)
    url, job_id, key = config["http_api"], config["job_id"], config["worker_key"]
    try:
        outcome = stagecast.run_job(url, job_id, key, function, worker_id=config["worker_id"], grace=1)
    except stagecast.ApiError as error:
        output("lost", code=error.code)
        return 1
    if outcome in ("completed", "failed", "cancelled"):
        output("job_ended", job_id=job_id, status=outcome)
    return 0


def run_queue(config):
    left = config["jobs"]

    def run_next(job):
        nonlocal left
        try:
            return run_plan(job)
        finally:
            if left is not None:
                left -= 1
                if left <= 0:
                    worker.stop()

    function = stagecast.job(queue=config["queue"], stages=config["stages"])(run_next)
    urls = {"url": config["http_api"], "use_websocket": config["websocket"]}
    limits = {"concurrency": config["concurrency"], "grace": config["grace_seconds"]}
    worker = stagecast.Worker([function], **urls, **limits, token=config["worker_token"], worker_id=config["worker_id"])

    async def main():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
        await worker.run()

    try:
        asyncio.run(main())
    except stagecast.ApiError as error:
        output("error", code=error.code)
        return 1
    return 0


async def watch(config):
    if "renew_after_seconds" in config:
        # The SDK has no option for the age of a connection.
        _feed.RENEW_AFTER, _feed.RENEW_JITTER = config["renew_after_seconds"], 0.0
    if not config["http_fallback"]:
        plan.unsupported("the fallback to HTTP cannot be switched off")
    async with stagecast.AsyncClient(config["http_api"], websocket_url=config["websocket_url"]) as client:
        watched = client.watch(config["job_id"], config["access_key"], after_seq=config.get("after_seq", 0))
        cancelling = None
        error = None
        try:
            async for message in watched:
                output("message", message={"type": message.type, **message.raw})
                if cancelling is None and "cancel_at" in config and plan.includes(message.raw, config["cancel_at"]):
                    cancelling = asyncio.create_task(cancel(watched))
        except stagecast.StagecastError as cause:
            error = {"code": cause.code, "status": cause.status, "message": cause.message}
        output("end", status=watched.snapshot.status, error=error)
    return 1 if error else 0


async def cancel(watched):
    try:
        await watched.cancel()
        output("cancel_accepted")
    except stagecast.StagecastError as error:
        output("cancel_rejected", code=error.code)


def main():
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    config = json.loads(sys.argv[1])
    match config["mode"]:
        case "worker":
            code = run_worker(config)
        case "queue":
            code = run_queue(config)
        case _:
            code = asyncio.run(watch(config))
    if config["mode"] != "watch":
        output("stopped")
    sys.exit(code)


if __name__ == "__main__":
    main()
