"""The host's parts that need no process: templates, routes, configuration, keys."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from local_azure.functions_host.binding_template import BindingTemplate
from local_azure.functions_host.configuration import parse_time_span, read_host_configuration, resolve_settings_in
from local_azure.functions_host.connections import service_bus_connection, storage_connection
from local_azure.functions_host.errors import FunctionError, HostError
from local_azure.functions_host.keys import load_keys
from local_azure.functions_host.log import HostLog, secrets_in
from local_azure.functions_host.routes import compile_route


@pytest.mark.parametrize(
    ("template", "text", "values"),
    [  # the cases of the SDK's own BlobPathSourceTests, and more
        ("{name}.csv", "foo.csv", {"name": "foo"}),
        ("{name}", "foo.csv", {"name": "foo.csv"}),
        ("{name}.csv", "foo.alpha.csv", {"name": "foo.alpha"}),
        ("{a}.{b}", "foo.alpha.beta.csv", {"a": "foo.alpha.beta", "b": "csv"}),
        ("{name}.txt", "bob.txtoutput", None),
        ("{name}-{date}.csv", "foo-Jan1st.csv", {"name": "foo", "date": "Jan1st"}),
        ("blob", "blob", {}),
        ("{name}.csv", "folder/foo.csv", {"name": "folder/foo"}),
        ("{{{name}}}", "{x}", {"name": "x"}),
        ("a+b.{name}", "aab.x", None),
        ("{name}.csv", "foo.CSV", None),
    ],
)
def test_templates_capture(template: str, text: str, values: dict[str, str] | None) -> None:
    assert BindingTemplate(template).capture(text) == values


def test_templates_are_filled() -> None:
    template = BindingTemplate("out/{{{Name}}}/{extension}")
    assert template.fill({"name": "n", "EXTENSION": "e"}) == "out/{n}/e"
    with pytest.raises(FunctionError, match="No value for named parameter 'extension'"):
        template.fill({"name": "n"})
    guid = BindingTemplate("{rand-guid}").fill({})
    assert len(guid) == 36
    assert BindingTemplate("{rand-guid}").fill({}) != guid


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{name", "Missing closing bracket at position 1"),
        ("name}", "Missing opening bracket at position 5"),
        ("a{}", "The parameter name at position 2 is empty"),
        ("{1a}", "The parameter name '1a' is invalid"),
    ],
)
def test_bad_templates(template: str, reason: str) -> None:
    with pytest.raises(FunctionError, match=reason):
        BindingTemplate(template)


@pytest.mark.parametrize(
    ("prefix", "template", "path", "values"),
    [
        ("", "{*path}", "/", {}),
        ("", "{*path}", "/a/b%20c", {"path": "a/b c"}),
        ("api", "items/{id:int}", "/api/items/7", {"id": "7"}),
        ("api", "items/{id:int}", "/api/items/seven", None),
        ("api", "items/{id:int}", "/items/7", None),
        ("", "items/{id?}", "/items", {}),
        ("", "items/{id}", "/items", None),
        ("", "{name}.{extension}", "/a.json", {"name": "a", "extension": "json"}),
        ("", "a.b", "/aXb", None),
        ("", "Case", "/cASE", {}),
    ],
)
def test_routes(prefix: str, template: str, path: str, values: dict[str, str] | None) -> None:
    assert compile_route(prefix, template).match(path) == values


@pytest.mark.parametrize("template", ["{*all}/more", "{a", "x{*all}", "{a:even}", "{a b}"])
def test_bad_routes(template: str) -> None:
    with pytest.raises(FunctionError):
        compile_route("", template)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:05:00", 300), ("01:00:00", 3600), ("1.00:00:01", 86401), ("00:00:00.5", 0), ("-1", None)],
)
def test_time_spans(text: str, seconds: float | None) -> None:
    assert parse_time_span(text) == seconds


def test_a_time_span_that_is_none() -> None:
    with pytest.raises(HostError, match="hh:mm:ss"):
        parse_time_span("five minutes")


def test_host_json(tmp_path: Path) -> None:
    document = {
        "version": "2.0",
        "functionTimeout": "00:10:00",
        "extensions": {
            "http": {"routePrefix": "/scoring/"},
            "blobs": {"maxDegreeOfParallelism": 3, "poisonBlobThreshold": 2},
            "serviceBus": {
                "maxConcurrentCalls": 1,
                "autoCompleteMessages": False,
                "maxAutoLockRenewalDuration": "01:00:00",
            },
        },
    }
    (tmp_path / "host.json").write_text(json.dumps(document))
    settings = {"AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls": "5"}
    configuration = read_host_configuration(tmp_path, settings)
    assert configuration.function_timeout == 600
    assert configuration.route_prefix == "scoring"
    assert (configuration.blob_parallelism, configuration.blob_max_tries) == (3, 2)
    assert configuration.service_bus_max_concurrent_calls == 5
    assert configuration.service_bus_auto_complete is False
    assert configuration.service_bus_max_lock_renewal == 3600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "1.0"}', '{"version": "2.0", "extensions": []}'])
def test_a_bad_host_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(HostError):
        read_host_configuration(tmp_path, {})


def test_connections() -> None:
    settings = {"Mine": "a", "AzureWebJobsMine": "b", "AzureWebJobsStorage": "s", "Id__blobServiceUri": "https://x"}
    assert storage_connection(settings, "Mine") == "b"
    assert storage_connection(settings, None) == "s"
    with pytest.raises(FunctionError, match="connection string 'AzureWebJobsStorage' does not exist"):
        storage_connection({}, None)
    with pytest.raises(FunctionError, match="identity-based"):
        storage_connection(settings, "Id")
    with pytest.raises(FunctionError, match="Service Bus account connection string 'Other' does not exist"):
        service_bus_connection(settings, "Other")


def test_settings_in_paths() -> None:
    assert resolve_settings_in("%CONTAINER%/{name}", {"CONTAINER": "input"}) == "input/{name}"
    with pytest.raises(FunctionError, match="'%OTHER%' does not resolve"):
        resolve_settings_in("%OTHER%/{name}", {})


def test_keys_are_made_once_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "host.json"
    keys = load_keys(path, ["Score"])
    assert load_keys(path, ["Score"]) == keys
    assert len(set(keys.all())) == 3
    assert not any(key in repr(keys) for key in keys.all())
    assert keys.opens("function", "score", keys.functions["score"]["default"])
    assert not keys.opens("function", "other", keys.functions["score"]["default"])
    assert not keys.opens("function", "score", "")
    assert not keys.opens("admin", None, keys.host["default"])


def test_keys_in_the_hosts_own_format_are_read(tmp_path: Path) -> None:
    entry = {"encrypted": False}
    (tmp_path / "host.json").write_text(json.dumps({
        "masterKey": {"name": "master", "value": "m", **entry},
        "functionKeys": [{"name": "default", "value": "h", **entry}, {"name": "other", "value": "o", **entry}],
        "systemKeys": [],
    }))  # fmt: skip
    (tmp_path / "score.json").write_text(json.dumps({"keys": [{"name": "default", "value": "f", **entry}]}))
    keys = load_keys(tmp_path / "host.json", ["score"])
    assert (keys.master, keys.host, keys.functions) == (
        "m",
        {"default": "h", "other": "o"},
        {"score": {"default": "f"}},
    )


def test_the_log_hides_what_was_named_later_too() -> None:
    stream = io.StringIO()
    log = HostLog(stream, secrets_in({"A": "AccountName=n;AccountKey=k1==;X=y", "B": "plain"}))
    log.hide(["master-key"])
    log.error("Some.Category", "k1== plain AccountName=n;AccountKey=k1==;X=y master-key")
    line = stream.getvalue()
    assert line.endswith("[Error] Some.Category: [Hidden Credential] plain [Hidden Credential] [Hidden Credential]\n")
