"""Triggers: what Functions would refuse of their options, their bindings, and their part of the manifest."""

from __future__ import annotations

import pytest
from azure.cli.core.azclierror import InvalidArgumentValueError, MutuallyExclusiveArgumentError

from azext_mlfunc.triggers import NAMES, TRIGGERS, BlobTrigger, HttpTrigger, ServiceBusQueueTrigger, make_trigger


def findings(trigger, severity="error"):
    return [(f.where, f.found) for f in trigger.check() if f.severity == severity]


def test_the_defaults_are_those_of_azureml_contrib_functions():
    assert make_trigger("http", {}).describe() == {"type": "http", "authLevel": "function"}
    assert make_trigger("blob", {}).describe() == {
        "type": "blob",
        "inputPath": "input/{blobname}.{blobextension}",
        "outputPath": "output/{blobname}.out",
        "connection": "TriggerConnectionString",
    }
    assert make_trigger("service-bus-queue", {}).describe() == {
        "type": "service-bus-queue",
        "inputQueue": "inqueue",
        "outputQueue": "outqueue",
        "connection": "TriggerConnectionString",
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_are_sound(name):
    assert list(make_trigger(name, {}).check()) == []


def test_an_unknown_trigger_lists_the_valid_ones():
    with pytest.raises(InvalidArgumentValueError) as raised:
        make_trigger("timer", {})
    assert "http, blob, service-bus-queue" in raised.value.recommendations[0]


def test_options_of_another_trigger_are_refused_and_those_not_given_are_not():
    with pytest.raises(MutuallyExclusiveArgumentError, match=r"--input-queue \(of --trigger service-bus-queue\)"):
        make_trigger("http", {"auth_level": None, "input_queue": "q"})
    assert make_trigger("http", {"auth_level": "anonymous", "input_queue": None}) == HttpTrigger("anonymous")


def test_no_two_triggers_share_an_option():
    names = [field.name for trigger in TRIGGERS for field in trigger.options()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("trigger", [trigger() for trigger in TRIGGERS], ids=NAMES)
def test_bindings_are_ones_that_functions_takes(trigger):
    bindings = trigger.bindings()
    assert [b["direction"] for b in bindings] == ["in", "out"]
    assert bindings[0]["type"].endswith("Trigger")
    assert all(b.get("connection", "TriggerConnectionString") == "TriggerConnectionString" for b in bindings)
    assert all(b["name"] == "$return" or b["name"].isalpha() for b in bindings)


@pytest.mark.parametrize(
    ("input_path", "output_path", "flag", "found"),
    [
        ("{c}/{name}", "output/{name}", "--input-path", "pattern in the container"),
        ("input/{name}", "{name}/x", "--output-path", "pattern in the container"),
        ("In/{name}", "output/{name}", "--input-path", "no container name"),
        ("in/{name}", "output/{name}", "--input-path", "no container name"),
        ("a--b/{name}", "output/{name}", "--input-path", "no container name"),
        ("-ab/{name}", "output/{name}", "--input-path", "no container name"),
        ("a" * 64 + "/{name}", "output/{name}", "--input-path", "no container name"),
        ("input", "output/{name}", "--input-path", "names no blob"),
        ("input/", "output/{name}", "--input-path", "names no blob"),
        ("input/{name", "output/{name}", "--input-path", "not closed"),
        ("input/name}", "output/x", "--input-path", "closes nothing"),
        ("input/{}", "output/x", "--input-path", "holds no name"),
        ("input/{a b}", "output/x", "--input-path", "holds no name"),
        ("input/" + "a" * 1025, "output/x", "--input-path", "1025 characters"),
        ("input/{rand-guid}.json", "output/x.out", "--input-path", "a value that Functions makes"),
        ("input/{name}", "output/{name}/../x", "--output-path", "a part '.' or '..'"),
        ("input/{name}\n", "output/{name}", "--input-path", "control character"),
        ("input/a\\{name}", "output/{name}", "--input-path", "backslash"),
        ("input/{name}.", "output/{name}", "--input-path", "ends in '.'"),
        ("input/{name}.json", "output/{other}.out", "--output-path", "{other} is not a name"),
        ("input/{name}.json", "input/{name}_out.json", "--output-path", "matches --input-path"),
        ("input/{name}", "input/out/{name}", "--output-path", "matches --input-path"),
        ("input/{name}.{ext}", "input/{name}.out", "--output-path", "matches --input-path"),
        ("data/in/{name}.json", "data/in/{name}.json", "--output-path", "matches --input-path"),
        ("input/a.json", "input/a.json", "--output-path", "matches --input-path"),
    ],
)
def test_blob_paths_that_functions_would_refuse_or_score_for_ever(input_path, output_path, flag, found):
    hits = [(where, what) for where, what in findings(BlobTrigger(input_path, output_path)) if found in what]
    assert [where for where, _ in hits] == [flag]


@pytest.mark.parametrize(
    ("input_path", "output_path"),
    [
        ("input/{blobname}.json", "output/{blobname}_out.json"),
        ("data/in/{name}.json", "data/out/{name}.json"),
        ("data/{name}.json", "data/{name}.out"),
        ("input/{folder}/{name}-{n}.csv", "output/{folder}/{n}/{name}.csv"),
        ("input/{name}", "output/{rand-guid}-{name}"),
        ("input/{name}", "output/{DateTime}.txt"),
        ("input/{{literal}}-{name}", "output/{name}"),
        ("a0b/{name}", "a1b/{name}"),
        ("input/{name}", "output/{Name}"),
    ],
)
def test_blob_paths_that_functions_takes(input_path, output_path):
    assert list(BlobTrigger(input_path, output_path).check()) == []


def test_one_output_for_every_input_is_warned_of():
    assert [where for where, _ in findings(BlobTrigger("input/{x}", "output/all"), "warning")] == ["--output-path"]


def test_long_patterns_are_compared_in_time():
    assert findings(BlobTrigger("input/" + "{a}x" * 150 + "y", "input/" + "x" * 900)) == []


@pytest.mark.parametrize("queue", ["", "-a", "a-", "a b", "a" * 261, "é"])
def test_queue_names_that_service_bus_would_refuse(queue):
    assert ("--input-queue", f"'{queue}' is no queue name") in findings(ServiceBusQueueTrigger(queue, "outqueue"))
    assert ("--output-queue", f"'{queue}' is no queue name") in findings(ServiceBusQueueTrigger("inqueue", queue))


@pytest.mark.parametrize("queue", ["q", "Orders/in.v1-a_b", "9"])
def test_queue_names_that_service_bus_takes(queue):
    assert findings(ServiceBusQueueTrigger(queue, "outqueue")) == []


def test_one_queue_for_both_is_refused_whatever_its_case():
    assert findings(ServiceBusQueueTrigger("Queue", "queue")) == [("--output-queue", "'queue' is also the input queue")]


def test_an_unknown_auth_level_is_found():
    assert [where for where, _ in findings(HttpTrigger("public"))] == ["--auth-level"]
