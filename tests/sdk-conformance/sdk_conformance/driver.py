"""The process of a driver: a small program on an SDK, which does what its one argument asks for."""

import asyncio
import json
import signal
import time

UNSUPPORTED = 64
"""Exit code of a driver whose SDK does not have what the scenario needs."""


class Driver:
    """A running driver. `outputs` are the JSON objects that it has printed."""

    def __init__(self, command, config, changed, environment):
        self.command = command
        self.config = config
        self.changed = changed
        self.environment = environment
        self.outputs = []
        self.faults = []
        self.stderr = b""
        self.exit_code = None
        self.exited_at = None
        self.is_killed = False

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            json.dumps(self.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=32 * 1024 * 1024,
            env=self.environment,
        )
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        errors = asyncio.create_task(self.process.stderr.read())
        async for line in self.process.stdout:
            try:
                output = json.loads(line)
                output["event"]
            except (ValueError, TypeError, KeyError):
                self.faults.append(f"output_is_json_lines: the driver printed {line[:200]!r}")
                continue
            output["at"] = time.monotonic()
            self.outputs.append(output)
            await self.changed()
        self.stderr = await errors
        self.exit_code = await self.process.wait()
        self.exited_at = time.monotonic()
        await self.changed()

    def signal(self, name):
        if self.process.returncode is None:
            self.is_killed = name == "KILL"
            self.process.send_signal(getattr(signal, f"SIG{name}"))

    async def finish(self, timeout):
        """Waits for the end of the process. Returns whether it ended in time, and ends it otherwise."""
        try:
            await asyncio.wait_for(asyncio.shield(self._reader), max(timeout, 0))
            return True
        except asyncio.TimeoutError:
            self.signal("KILL")
            await self._reader
            return False

    @property
    def seen_seq(self):
        """The highest `seq` of the durable messages that the driver has printed."""
        seqs = [
            output["message"]["seq"]
            for output in self.outputs
            if output["event"] == "message" and output["message"]["type"] != "progress_update"
        ]
        return max(seqs, default=0)
