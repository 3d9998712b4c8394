"""Runs job functions in threads."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def run_in_thread(name: str, function: Callable[[], T]) -> T:
    """Runs a function in a new daemon thread, which does not keep the process from exiting.

    The threads of an executor would: the interpreter joins them at exit, however long their job takes.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(action: Callable[[], None]) -> None:
        if not future.done():
            action()

    def target() -> None:
        try:
            result = context.run(function)
        except BaseException as error:
            problem = error
            with suppress(RuntimeError):  # The loop is closed.
                loop.call_soon_threadsafe(settle, lambda: future.set_exception(problem))
        else:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, lambda: future.set_result(result))

    threading.Thread(target=target, name=name, daemon=True).start()
    return await future
