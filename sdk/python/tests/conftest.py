"""Settings of all tests."""

import signal

# A shell lets its background jobs ignore SIGINT, and processes inherit that: without this, the tests that interrupt
# a process would wait for ever under `command &`.
signal.signal(signal.SIGINT, signal.default_int_handler)
