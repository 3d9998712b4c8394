"""The command `stagecast`: submit, watch and cancel jobs, and read their results."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import __version__
from ._creation import Created, JobKey, Limits
from ._display import Display, JsonLines, display_for, is_interactive, size
from ._keystore import KeyStore, StoredJob
from .client import Client
from .errors import ConfigurationError, RateLimitedError, ServerError, StagecastError, TransportError
from .state import WatchedJob
from .upload import Input
from .watch import Watch

COMPLETED, FAILED, USAGE, CANCELLED, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes. FAILED is also that of a command that the service refuses."""

_MOST_LINES_OF_RESULTS = 20
"""Longer results would scroll the bars off the terminal."""

_ENDS = {"completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = _parser().parse_args(arguments)
    _show_warnings()
    command = Command(options)
    run: Callable[[Command], int] = options.run
    try:
        return run(command)
    except KeyboardInterrupt:
        command.interrupted()
        return INTERRUPTED
    except (TransportError, RateLimitedError, ServerError) as error:
        command.display.close()
        _say(f"error: {error}")
        command.offer_upload()
        return FAILED
    except ConfigurationError as error:
        _say(f"error: {error.message}")
        return USAGE
    except StagecastError as error:
        command.display.close()
        _say(f"error: {error}")
        return FAILED
    except BrokenPipeError:
        # The reader of the pipe has ended; the interpreter would fail once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (OSError, ValueError) as error:
        _say(f"error: {error}")
        return USAGE
    finally:
        command.close()


class Command:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.keys = KeyStore()
        self.display: Display = display_for(sys.stdout, json_lines=getattr(options, "json", False))
        self._client: Client | None = None
        self._known: JobKey | None = None
        """The job that this command has created or watches, which goes on without it."""
        self._is_uploading = False

    def close(self) -> None:
        self.display.close()
        if self._client is not None:
            self._client.close()

    def interrupted(self) -> None:
        """Says how to go on, and offers to cancel the job."""
        self.display.close()
        job, client = self._known, self._client
        if job is None or client is None:
            _say("interrupted")
        elif self._is_uploading:
            self.offer_upload()
        elif is_interactive() and _confirm("Cancel the job, too? [y/N] "):
            try:
                self._say_cancelled(client.cancel(job))
            except (StagecastError, KeyboardInterrupt) as error:
                _say(f"error: the job is not cancelled: {error}")
        else:
            _say(f"The job goes on. Watch it again: stagecast watch {job.job_id}")

    def offer_upload(self) -> None:
        """Says how to continue an upload."""
        if self._is_uploading and self._known is not None:
            _say(f"The upload is not complete. Continue it: stagecast upload {self._known.job_id} {self.options.file}")

    # Commands

    def submit(self) -> int:
        options = self.options
        url = options.url or os.environ.get("STAGECAST_URL")
        client = self._open(url, None)
        limits = Limits(queue_seconds=options.queue_seconds, run_seconds=options.run_seconds)
        created = client.create(
            _input(options.file),
            content_type=options.content_type,
            queue=options.queue,
            priority=options.priority,
            parameters=options.parameters,
            labels=dict(options.label) if options.label else None,
            limits=limits if limits != Limits() else None,
            run_at=options.run_at,
            retention_days=options.retention_days,
            idempotency_key=options.idempotency_key,
            on_created=lambda created: self._created(created, url),
            on_progress=lambda progress: self.display.transferred("uploading", progress),
        )
        self._is_uploading = False
        self.display.close()
        if options.watch:
            return self._watch(created, client.watch(created))
        if not isinstance(self.display, JsonLines):
            _say(f"Watch it: stagecast watch {created.job_id}")
        return COMPLETED

    def upload(self) -> int:
        client, key, _ = self._job()
        self._known, self._is_uploading = key, True
        client.upload(
            key,
            input=_input(self.options.file) or b"",
            on_progress=lambda progress: self.display.transferred("uploading", progress),
        )
        return COMPLETED

    def watch(self) -> int:
        client, key, stored = self._job()
        address = None if stored is None else stored.websocket_url
        address = self.options.websocket_url or os.environ.get("STAGECAST_WEBSOCKET_URL") or address
        watch = client.watch(key, websocket_url=address, use_websocket=not self.options.no_websocket)
        return self._watch(key, watch)

    def cancel(self) -> int:
        client, key, _ = self._job()
        requested = client.cancel(key)
        if isinstance(self.display, JsonLines):
            self.display.line({"job_id": key.job_id, "cancel_requested": requested})
        else:
            self._say_cancelled(requested)
        return COMPLETED

    def results(self) -> int:
        client, key, _ = self._job()
        content = client.results_bytes(key, stage=self.options.stage)
        if self.options.output is not None:
            self.options.output.write_bytes(content)
            return COMPLETED
        end = b"\n" if sys.stdout.isatty() else b""
        sys.stdout.buffer.write(content + end)
        sys.stdout.buffer.flush()
        return COMPLETED

    def artifacts(self) -> int:
        client, key, _ = self._job()
        name = self.options.name
        if name is None:
            for artifact in client.snapshot(key).artifacts:
                if isinstance(self.display, JsonLines):
                    self.display.line(dict(artifact.raw))
                else:
                    print(f"{artifact.name}  {size(artifact.size)}  {artifact.content_type}")  # noqa: T201
            return COMPLETED
        path = client.download_artifact(
            key,
            name=name,
            to=self.options.output,
            on_progress=lambda progress: self.display.transferred("downloading", progress),
        )
        self.display.close()
        _say(f"{path}: {size(path.stat().st_size)}, SHA-256 verified")
        return COMPLETED

    # Parts of commands

    def _say_cancelled(self, requested: bool) -> None:
        _say("The cancellation is requested." if requested else "The job has ended already.")

    def _open(self, url: str | None, stored: StoredJob | None) -> Client:
        token = os.environ.get("STAGECAST_TOKEN") or None
        self._client = Client(url, websocket_url=None if stored is None else stored.websocket_url, token=token)
        return self._client

    def _job(self) -> tuple[Client, JobKey, StoredJob | None]:
        """The job that the command names, with its key and service."""
        options = self.options
        stored = self.keys.load(options.job)
        key = options.key or os.environ.get("STAGECAST_ACCESS_KEY") or (stored and stored.access_key)
        if not key:
            raise ConfigurationError(
                f"the access key of {options.job} is not stored on this machine: "
                "set STAGECAST_ACCESS_KEY, or pass --key"
            )
        url = options.url or (stored and stored.url) or os.environ.get("STAGECAST_URL")
        client = self._open(url, stored)
        return client, JobKey(job_id=options.job, access_key=key), stored

    def _created(self, created: Created, url: str | None) -> None:
        """Stores the key as soon as the job exists, so that an interrupted upload can go on."""
        self._known = created
        self._is_uploading = created.upload is not None
        stored = StoredJob(
            job_id=created.job_id,
            access_key=created.access_key,
            url=url or "",
            websocket_url=created.websocket_url,
        )
        try:
            self.keys.save(stored)
        except OSError as error:
            _say(f"warning: the access key is not stored, and `stagecast watch` will need --key: {error}")
        if isinstance(self.display, JsonLines):
            described = {"job_id": created.job_id, "websocket_url": created.websocket_url}
            self.display.line({"type": "created", **described, "is_replayed": created.is_replayed})
        else:
            _say(f"{'Found' if created.is_replayed else 'Created'} {created.job_id}")

    def _watch(self, job: JobKey, watch: Watch) -> int:
        self._known = job
        with watch:
            self.display.watching(watch)
            for message in watch:
                self.display.message(message)
            self.display.close()
        state = watch.snapshot
        if not isinstance(self.display, JsonLines):
            _show_end(state)
        return _ENDS[state.status]


def _show_end(job: WatchedJob) -> None:
    if job.error is not None:
        _say(f"{job.error.code}: {job.error.message}")
    if job.status != "completed":
        return
    for artifact in job.artifacts:
        _say(f"{artifact.name}, {size(artifact.size)}: stagecast artifacts {job.job_id} {artifact.name}")
    text = "" if job.results is None else json.dumps(job.results, ensure_ascii=False, indent=2)
    if job.results_url is not None or text.count("\n") >= _MOST_LINES_OF_RESULTS:
        _say(f"Read the results: stagecast results {job.job_id}")
    elif text:
        print(text)  # noqa: T201


def _confirm(question: str) -> bool:
    sys.stderr.write(question)
    sys.stderr.flush()
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return False


def _input(file: str | None) -> Input | None:
    if file == "-":
        return sys.stdin.buffer
    return None if file is None else Path(file)


def _say(text: str) -> None:
    """Notices go to standard error: standard output has the messages and results."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


class _Warnings(logging.Handler):
    """Shows the warnings of a watch, each once: they repeat while the service cannot be reached."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._shown:
            self._shown.add(text)
            _say(f"warning: {text}")


def _show_warnings() -> None:
    logger = logging.getLogger("stagecast")
    if not any(isinstance(handler, _Warnings) for handler in logger.handlers):
        logger.addHandler(_Warnings())


# Arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stagecast", description="Submit jobs to Stagecast and watch them live.")
    parser.add_argument("--version", action="version", version=f"stagecast {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[Command], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        added.set_defaults(run=run)
        added.add_argument("--url", help="address of the HTTP API (default: STAGECAST_URL)")
        return added

    def job_command(name: str, run: Callable[[Command], int], text: str) -> argparse.ArgumentParser:
        added = command(name, run, text)
        added.add_argument("job", metavar="JOB", help="id of the job")
        added.add_argument(
            "--key", help="access key (default: STAGECAST_ACCESS_KEY, or the key that `submit` has stored here)"
        )
        return added

    submit = command("submit", Command.submit, "create a job, and upload its input")
    submit.add_argument("file", metavar="FILE", nargs="?", help="the input; - is standard input")
    submit.add_argument("--queue", metavar="Q", help="queue of external workers")
    submit.add_argument("--priority", type=int, metavar="N", help="0 to 9 within the queue; higher is claimed first")
    submit.add_argument("--parameters", type=_parameters, metavar="JSON|@FILE", help="a JSON object for the stages")
    submit.add_argument(
        "--label", type=_label, action="append", metavar="NAME=VALUE", help="label of the job; may be repeated"
    )
    submit.add_argument("--content-type", metavar="TYPE", help="media type of the input (default: from its name)")
    submit.add_argument("--run-at", metavar="TIME", help="time before which the job does not start, RFC 3339")
    submit.add_argument("--queue-seconds", type=int, metavar="N", help="time limit until the job is claimed")
    submit.add_argument("--run-seconds", type=int, metavar="N", help="time limit from the claim to the end")
    submit.add_argument("--retention-days", type=int, metavar="N", help="how long the job is kept")
    submit.add_argument(
        "--idempotency-key", metavar="KEY", help="the same key and input return the same job, for 24 hours"
    )
    submit.add_argument("--watch", action="store_true", help="watch the job to its end")
    _add_json(submit)

    upload = job_command("upload", Command.upload, "continue the upload of an input")
    upload.add_argument("file", metavar="FILE", help="the input that the job was created with")

    watch = job_command("watch", Command.watch, "watch a job to its end")
    watch.add_argument(
        "--websocket-url", metavar="URL", help="address of the WebSocket API, of a job of another machine"
    )
    watch.add_argument("--no-websocket", action="store_true", help="poll over HTTP")
    _add_json(watch)

    _add_json(job_command("cancel", Command.cancel, "ask a job to stop"))

    results = job_command("results", Command.results, "print the results of a job as JSON")
    results.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file")
    results.add_argument("--stage", metavar="NAME", help="the results of this stage")

    artifacts = job_command("artifacts", Command.artifacts, "list the files of a job, or download one")
    artifacts.add_argument("name", metavar="NAME", nargs="?", help="download this file")
    artifacts.add_argument("-o", "--output", type=Path, metavar="PATH", help="a file or a folder (default: NAME)")
    _add_json(artifacts)
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON lines on a terminal, too")


def _parameters(text: str) -> dict[str, Any]:
    try:
        value = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"cannot read the JSON object: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object; write for example {{"columns": ["price"]}}')
    return value


def _label(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not a label; write NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
