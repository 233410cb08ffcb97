"""The layer with the image's Python packages, made without an engine on any machine: `make_layer`.

Requirements are resolved for the image's Python on linux/amd64 into wheels and a lock, and the wheels' content becomes
a layer file whose bytes depend on the lock alone. What was resolved and made before is taken from the cache: the same
requirements and configuration of pip give the same lock until the cache is ignored or forgets them, as it is with the
cache of a Docker engine; the same lock always gives the same layer.
"""

from __future__ import annotations

from azext_mlfunc.packaging.dependencies.cache import DEFAULT_LIMIT, LayerCache
from azext_mlfunc.packaging.dependencies.make import DependencyLayer, make_layer
from azext_mlfunc.packaging.dependencies.problems import NoWheels

__all__ = ["DEFAULT_LIMIT", "DependencyLayer", "LayerCache", "NoWheels", "make_layer"]
