"""Runs coroutines for synchronous callers, on an event loop in a thread of its client.

The synchronous client is a façade of the asynchronous one. A thread is needed because a caller may itself run in an
event loop, as every notebook does, and because a watch has to answer its connection between two calls of `next`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import os
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")

Relay = Callable[["Callable[[Any], object] | None"], "Callable[[Any], None] | None"]
"""Turns a callback of the caller into one that the event loop may call: it runs in the thread of the caller."""

_WAIT = 0.5
"""Longest uninterruptible wait in seconds: on Windows, Ctrl-C does not interrupt a lock."""


class Portal:
    """An event loop in a daemon thread."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="stagecast-client", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(_cancel_other_tasks())
        finally:
            self.loop.close()

    @property
    def is_closed(self) -> bool:
        return self.loop.is_closed()

    def run(self, start: Callable[[Relay], Coroutine[Any, Any, _Result]]) -> _Result:
        """Runs a coroutine to its end. An exception in the calling thread, such as KeyboardInterrupt, cancels it."""
        if self.is_closed:
            raise RuntimeError("the client is closed")
        calls: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()

        def relay(callback: Callable[[Any], object] | None) -> Callable[[Any], None] | None:
            if callback is None:
                return None
            return lambda value: calls.put(functools.partial(callback, value))

        future = asyncio.run_coroutine_threadsafe(start(relay), self.loop)
        future.add_done_callback(lambda _: calls.put(None))
        try:
            while True:
                try:
                    call = calls.get(timeout=_WAIT)
                except queue.Empty:
                    continue
                if call is None:
                    return future.result()
                call()
        except BaseException:
            future.cancel()
            # The coroutine releases its files and connections before the caller continues.
            concurrent.futures.wait([future], timeout=_WAIT)
            raise

    def close(self) -> None:
        """Cancels the tasks that are left, and ends the thread."""
        # A forked process has a copy of the loop, without the thread.
        if not self.loop.is_closed() and self._pid == os.getpid():
            self.loop.call_soon_threadsafe(self.loop.stop)
            # The garbage collector may call this in any thread.
            if threading.current_thread() is not self._thread:
                self._thread.join()


async def _cancel_other_tasks() -> None:
    """Ends the watches of a client that was not closed."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
