"""The rules that the reference driver is asked to break."""

import os

BROKEN = set(filter(None, os.environ.get("BREAK", "").split(",")))
