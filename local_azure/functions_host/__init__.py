"""A Functions host for Python apps (function.json), around Microsoft's own Python worker.

``host`` is what runs in the host's process, ``worker`` what runs in the app's environment, ``bindings`` has one file
for each service; ``FunctionsHost`` starts all of it from a test or a demo.
"""

from __future__ import annotations

from local_azure.functions_host.process import FunctionsHost, HostFailed

__all__ = ["FunctionsHost", "HostFailed"]
