"""Choosing where apps run."""

from __future__ import annotations

from pathlib import Path

from local_azure.function_apps.compute import Compute, ComputeUnavailable
from local_azure.function_apps.container import ContainerCompute, connect
from local_azure.function_apps.process import ProcessCompute

NAMES = ("auto", ContainerCompute.name, ProcessCompute.name)


def choose_compute(name: str, python: str | Path, environments: Path) -> Compute:
    """A compute by name; ``auto`` takes containers where a Docker engine answers, else processes.

    Args:
        name: one of :data:`NAMES`.
        python: a Python of 3.13 or newer, for apps that are run as processes.
        environments: the folder where virtual environments for those are kept.

    Raises:
        ValueError: there is no such compute; the text lists those there are.
        ComputeUnavailable: containers are asked for, and there is no engine.
    """
    if name not in NAMES:
        raise ValueError(f"There is no compute '{name}'; there are {', '.join(NAMES)}.")
    if name != ProcessCompute.name:
        try:
            return ContainerCompute(connect())
        except ComputeUnavailable:
            if name == ContainerCompute.name:
                raise
    return ProcessCompute(python, environments)
