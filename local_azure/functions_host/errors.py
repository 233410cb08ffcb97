"""What can go wrong in the host, as types."""

from __future__ import annotations


class HostError(Exception):
    """The host as a whole cannot run: a bad host.json, a worker that keeps dying."""


class FunctionError(Exception):
    """One function cannot run: a bad function.json, a missing connection. The others go on."""


class WorkerExited(Exception):
    """The worker process went away while it was needed."""


class FunctionTimeout(Exception):
    """An invocation took longer than host.json's functionTimeout."""
