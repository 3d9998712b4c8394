"""Adds the running job to log records."""

from __future__ import annotations

import logging

from ._context import current_job

_FIELDS = ("job_id", "queue", "stage", "attempt")


class JobLogFilter(logging.Filter):
    """Sets `job_id`, `queue`, `stage` and `attempt` of records; to None outside of a job function.

    Add it to a handler, so that the records of all libraries have the attributes:

        handler.addFilter(stagecast.JobLogFilter())
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(job_id)s %(stage)s] %(message)s"))

    Attributes that the caller set with `extra=` are kept.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        job = current_job()
        values = (job.id, job.queue, job.current_stage, job.attempt) if job else (None, None, None, None)
        for name, value in zip(_FIELDS, values, strict=True):
            if not hasattr(record, name):
                setattr(record, name, value)
        return True
