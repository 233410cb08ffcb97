"""Imports its neighbours: from its own folder, and from AZUREML_SOURCE_DIRECTORY."""

import in_source_directory
import sibling


def init():
    sibling.calls.append("init")


def run(data):
    return {"calls": sibling.calls, "source": in_source_directory.NAME, "module": __name__}
