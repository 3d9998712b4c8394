"""Waiting for an event or a time, whichever is first."""

from __future__ import annotations

import asyncio


async def wait_for_event(event: asyncio.Event, seconds: float | None) -> bool:
    """Whether the event was set within `seconds`; None waits forever.

    `asyncio.wait_for` loses a cancellation that arrives together with the event, before Python 3.12.
    """
    if event.is_set():
        return True
    waiting = asyncio.ensure_future(event.wait())
    try:
        done, _ = await asyncio.wait([waiting], timeout=None if seconds is None else max(0.0, seconds))
        return bool(done)
    finally:
        waiting.cancel()
