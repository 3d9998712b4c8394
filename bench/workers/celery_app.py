"""The Celery application that dispatch.py compares with: one task that prints when it starts."""

import json
import os
import time

from celery import Celery

app = Celery("bench", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    broker_connection_retry_on_startup=True,
    # dispatch.py reads the lines of standard output.
    worker_redirect_stdouts=False,
)


@app.task(bind=True, name="work")
def work(self, number):
    print(json.dumps({"what": "started", "job_id": self.request.id, "at": time.time_ns()}), flush=True)
    for stage in ("first", "second"):
        self.update_state(state="PROGRESS", meta={"stage": stage, "progress": 50})
    return {"number": number}
