"""The version of the package, which the HTTP transport sends as part of `user-agent`."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("stagecast")
except PackageNotFoundError:  # Run from a source tree that is not installed.
    __version__ = "0+unknown"
