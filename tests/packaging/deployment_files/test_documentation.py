"""docs/deployment-files.md names every key that a format has."""

from __future__ import annotations

import re

import pytest
from helpers import ROOT

from azext_mlfunc.packaging.deployment_files import FORMATS


def keys(table):
    for name, key in table.items():
        yield name
        yield from keys(key.keys or {})


@pytest.mark.parametrize("number", range(len(FORMATS)), ids=[form.marks[0] for form in FORMATS])
def test_every_key_is_documented_in_the_section_of_its_format(number):
    """The sections stand in the order of the formats."""
    text = (ROOT / "docs" / "deployment-files.md").read_text(encoding="utf-8")
    section = [part for part in text.split("\n## ") if "| Key |" in part][number]
    documented = set(re.findall(r"[$\w]+", " ".join(re.findall(r"`([^`]+)`", section))))
    assert set(keys(FORMATS[number].keys)) <= documented
