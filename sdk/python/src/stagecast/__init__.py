"""Stagecast: run and watch long-running jobs with live progress.

`stagecast.job` is the decorator of workers and `stagecast.tqdm` the progress bar: no module may have these names, since
the import of a submodule sets the attribute of the package.
"""

from ._context import current_job
from ._creation import Created, JobKey, Limits
from ._definition import exponential, job
from ._job import AsyncJob, AsyncStage, Job, Stage
from ._logging import JobLogFilter
from ._run import run, run_job
from ._tqdm import tqdm, trange
from ._version import __version__
from ._worker import Worker
from .client import AsyncClient, Client, JobsPage
from .errors import (
    ApiError,
    Cancelled,
    ConfigurationError,
    ConflictError,
    Failure,
    ForbiddenError,
    Interrupted,
    LeaseLost,
    NotFoundError,
    RateLimitedError,
    Released,
    ServerError,
    StagecastError,
    TransportError,
)
from .messages import (
    Artifact,
    JobCancelled,
    JobComplete,
    JobError,
    JobFailed,
    JobMessage,
    JobSnapshot,
    ProgressUpdate,
    StageComplete,
)
from .state import WatchedJob, WatchedStage
from .upload import UploadProgress
from .watch import AsyncWatch, Watch

__all__ = [
    "ApiError",
    "Artifact",
    "AsyncClient",
    "AsyncJob",
    "AsyncStage",
    "AsyncWatch",
    "Cancelled",
    "Client",
    "ConfigurationError",
    "ConflictError",
    "Created",
    "Failure",
    "ForbiddenError",
    "Interrupted",
    "Job",
    "JobCancelled",
    "JobComplete",
    "JobError",
    "JobFailed",
    "JobKey",
    "JobLogFilter",
    "JobMessage",
    "JobSnapshot",
    "JobsPage",
    "LeaseLost",
    "Limits",
    "NotFoundError",
    "ProgressUpdate",
    "RateLimitedError",
    "Released",
    "ServerError",
    "Stage",
    "StageComplete",
    "StagecastError",
    "TransportError",
    "UploadProgress",
    "Watch",
    "WatchedJob",
    "WatchedStage",
    "Worker",
    "__version__",
    "current_job",
    "exponential",
    "job",
    "run",
    "run_job",
    "tqdm",
    "trange",
]
