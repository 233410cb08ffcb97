"""The admin pages, and functions that cannot run."""

from __future__ import annotations

import json
from functools import partial

import pytest
from azure.storage.blob import BlobServiceClient
from function_apps import FunctionApp, StartHost, blob_trigger, call, http_trigger, queue_trigger

from azext_mlfunc.emulators.service_bus import ServiceBus
from local_azure.functions_host import FunctionsHost, HostFailed
from local_azure.waiting import wait_for

HELLO = """
    def main(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("hello")
"""


def admin(host: FunctionsHost, page: str, method: str = "GET", body: bytes | None = None) -> object:
    answer = call(host, f"/admin/{page}", method, body, {"x-functions-key": host.keys.master})
    return answer.json() if answer.body else answer.status


def logged(host: FunctionsHost, text: str) -> bool:
    return text in host.logs()


def test_status_and_functions(app: FunctionApp, start_host: StartHost) -> None:
    bindings = http_trigger("hello/{name}")
    host = start_host(app.add("hello", bindings, HELLO))
    status = host.status()
    assert (status["state"], status["errors"]) == ("Running", [])
    listed = admin(host, "functions")
    assert isinstance(listed, list)
    assert [each["name"] for each in listed] == ["hello"]
    assert listed[0]["config"] == {"bindings": bindings}
    assert listed[0]["invoke_url_template"] == f"{host.url}/hello/{{name}}"
    assert admin(host, "functions/hello") == listed[0]
    assert admin(host, "functions/other") == 404


def test_admin_pages_need_the_master_key_and_ping_needs_none(app: FunctionApp, start_host: StartHost) -> None:
    host = start_host(app.add("hello", http_trigger(), HELLO))
    assert call(host, "/admin/host/ping").status == 200
    for page in ("host/status", "functions", "functions/hello"):
        assert call(host, f"/admin/{page}").status == 401
        assert call(host, f"/admin/{page}", headers={"x-functions-key": host.keys.host["default"]}).status == 401
        assert call(host, f"/admin/{page}?code={host.keys.master}").status == 200


def test_manual_runs_of_event_functions(
    app: FunctionApp, start_host: StartHost, storage: str, service_bus: ServiceBus
) -> None:
    code = "def main(input): print(input.__class__.__name__, 'got', {})"
    app.add("blobs", [{**blob_trigger(output=None)[0], "connection": "Blobs"}], code.format("input.read()"))
    app.add("queue", [{**queue_trigger(output=None)[0], "connection": "Bus"}], code.format("input.get_body()"))
    service_bus.add_queue("inqueue")
    settings = {"Blobs": storage, "AzureWebJobsStorage": storage, "Bus": service_bus.connection_string}
    host = start_host(app, settings)
    BlobServiceClient.from_connection_string(storage).create_container("other").upload_blob("x.txt", b"a blob")
    for name, given in (("blobs", "other/x.txt"), ("queue", "a body")):
        assert admin(host, f"functions/{name}", "POST", json.dumps({"input": given}).encode()) == 202
    for expected in ("InputStream got b'a blob'", "ServiceBusMessage got b'a body'"):
        wait_for(partial(logged, host, expected), 30, expected)


def test_a_manual_run(app: FunctionApp, start_host: StartHost) -> None:
    code = """
        def main(request: func.HttpRequest) -> func.HttpResponse:
            print("got", request.get_body().decode())
            return func.HttpResponse()
    """
    host = start_host(app.add("manual", http_trigger(), code))
    assert admin(host, "functions/manual", "POST", json.dumps({"input": "by hand"}).encode()) == 202
    wait_for(lambda: "got by hand" in host.logs(), 30, "the manual run")


@pytest.mark.parametrize(
    ("bindings", "code", "reason"),
    [
        (blob_trigger(), "def main(input, output): ...", "connection string 'Trigger' does not exist"),
        (queue_trigger(), "def main(input, output): ...", "Service Bus account connection string 'Trigger' does not"),
        (
            [{"type": "timerTrigger", "name": "timer", "direction": "in"}],
            "def main(timer): ...",
            "'timerTrigger' are not",
        ),
        ([{"type": "http", "name": "a", "direction": "out"}], "def main(a): ...", "No trigger binding specified"),
        (http_trigger("a/{b"), HELLO, "incomplete parameter"),
        ([*http_trigger(), *http_trigger()], HELLO, "Binding names must be unique"),
        ([{**http_trigger()[0], "name": "un_der"}], HELLO, "binding name un_der is invalid"),
    ],
)
def test_one_bad_function_is_in_error_and_the_others_run(
    app: FunctionApp, start_host: StartHost, bindings: list[dict[str, object]], code: str, reason: str
) -> None:
    app.add("good", http_trigger("good"), HELLO).add("bad", bindings, code)
    host = start_host(app, {"AzureWebJobsSecretStorageType": "files"}, running=False)
    with pytest.raises(HostFailed, match=reason):
        host.wait_until_running(60)
    assert host.status()["state"] == "Running"
    assert call(host, "/good").body == b"hello"
    assert "The 'bad' function is in error: " in host.logs()


def test_a_function_that_does_not_load_answers_500(app: FunctionApp, start_host: StartHost) -> None:
    host = start_host(app.add("broken", http_trigger(), "raise RuntimeError('no model')"), running=False)
    with pytest.raises(HostFailed, match="no model"):
        host.wait_until_running(60)
    assert call(host, "/broken").status == 500
    assert admin(host, "functions/broken/status") == {}  # which knows what the host itself found only
    assert "Worker failed to load function: 'broken'." in host.logs()


def test_another_language_is_refused(app: FunctionApp, start_host: StartHost) -> None:
    app.add("hello", http_trigger(), HELLO)
    host = start_host(app, {"FUNCTIONS_WORKER_RUNTIME": "dotnet"}, running=False)
    with pytest.raises(HostFailed, match=r"Did not find functions with language \[dotnet\]\.$"):
        host.wait_until_running(60)
    assert admin(host, "functions") == []
    assert call(host, "/hello").status == 503


def test_a_blob_function_without_the_hosts_storage_puts_the_host_in_error(
    app: FunctionApp, start_host: StartHost, storage: str
) -> None:
    app.add("hello", http_trigger(), HELLO).add("blobs", blob_trigger(), "def main(input, output): ...")
    host = start_host(app, {"Trigger": storage}, running=False)
    with pytest.raises(HostFailed, match=r"is Error\. Secret initialization from Blob storage failed"):
        host.wait_until_running(60)
    assert call(host, "/hello").status == 503
    listed = admin(host, "functions")
    assert isinstance(listed, list)
    assert {each["name"] for each in listed} == {"hello", "blobs"}  # listed all the same


def test_an_app_without_functions_runs(app: FunctionApp, start_host: StartHost) -> None:
    (app.folder / "host.json").unlink()
    host = start_host(app, {"FUNCTIONS_WORKER_RUNTIME": "dotnet"})
    assert call(host, "/").status == 200
    assert call(host, "/api/hello").status == 404
    assert "No functions were found." in host.logs()


def test_an_app_without_storage_has_no_keys_on_app_service(app: FunctionApp, start_host: StartHost) -> None:
    app.add("open", http_trigger(), HELLO).add("locked", http_trigger(authLevel="function"), HELLO)
    host = start_host(app, {"WEBSITE_INSTANCE_ID": "0"})
    assert call(host, "/open").status == 200
    assert call(host, "/locked", headers={"x-functions-key": host.keys.host["default"]}).status == 401
    assert admin(host, "host/keys") == 500
    kept = start_host(app, {"WEBSITE_INSTANCE_ID": "0", "AzureWebJobsSecretStorageType": "files"})
    assert call(kept, "/locked", headers={"x-functions-key": kept.keys.host["default"]}).status == 200


def test_the_url_is_the_one_that_the_client_called(app: FunctionApp, start_host: StartHost) -> None:
    code = "def main(request: func.HttpRequest) -> func.HttpResponse: return func.HttpResponse(request.url)"
    host = start_host(app.add("url", http_trigger(), code))
    headers = {"Host": "app.azurewebsites.net", "X-Forwarded-Proto": "https"}
    assert call(host, "/url?a=b", headers=headers).body == b"https://app.azurewebsites.net/url?a=b"
    headers["x-functions-key"] = host.keys.master
    listed = call(host, "/admin/functions", headers=headers).json()
    assert listed[0]["invoke_url_template"] == "https://app.azurewebsites.net/url"


def test_a_disabled_function_is_not_served(app: FunctionApp, start_host: StartHost) -> None:
    app.add("hello", http_trigger(), HELLO).add("off", http_trigger(), HELLO)
    host = start_host(app, {"AzureWebJobs.off.Disabled": "true"})
    assert call(host, "/hello").status == 200
    assert call(host, "/off").status == 404
