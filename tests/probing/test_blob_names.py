"""The names of a test's blobs: what fits the input path, and the output that belongs to it."""

from __future__ import annotations

import re

import pytest

from azext_mlfunc.triggers.blob import BlobTrigger

NAMES = [
    ("input/{blobname}.{blobextension}", "output/{blobname}.out", "t-1.json", "t-1.out"),
    ("input/{blobname}.json", "output/{blobname}_out.json", "t-1.json", "t-1_out.json"),
    ("input/{name}", "output/{name}", "t-1", "t-1"),
    ("input/in/{Name}.{ext}", "output/{name}/{EXT}", "in/t-1.json", "t-1/json"),
    ("input/{a}-{b}.txt", "output/{b}-{a}", "t-1-x.txt", "x-t-1"),
    ("input/{{x}}{name}.json", "output/{name}", "{x}t-1.json", "t-1"),
]


@pytest.mark.parametrize(("inputs", "outputs", "name", "output"), NAMES)
def test_a_name_of_its_own(inputs: str, outputs: str, name: str, output: str) -> None:
    trigger = BlobTrigger(inputs, outputs)
    assert trigger.input_name("t-1", "json") == name
    assert trigger.values_of(name) is not None
    assert trigger.output_name(name) == output


def test_names_take_as_much_as_they_can() -> None:
    trigger = BlobTrigger("input/{name}.{ext}", "output/{name}_{ext}")
    assert trigger.output_name("a.b.csv") == "a.b_csv"
    assert trigger.values_of("no-extension") is None


def test_a_part_that_functions_makes_up() -> None:
    trigger = BlobTrigger("input/{name}.json", "output/{name}/{rand-guid}.json")
    assert trigger.output_name("t-1.json") is None
    prefix, pattern = trigger.output_pattern("t-1.json")
    assert prefix == "t-1/"
    assert re.fullmatch(pattern, "t-1/0f8fad5b.json")
    assert not re.fullmatch(pattern, "t-2/0f8fad5b.json")
