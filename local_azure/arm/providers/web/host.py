"""What Microsoft.Web passes on to the app's own Functions host: keys, functions, triggers, status, logs.

All of it fails alike while the host is not up (web-sites-host-listkeys.json).
"""

from __future__ import annotations

import posixpath
from typing import Any

from local_azure.arm.errors import ArmError, host_unavailable
from local_azure.arm.operation import Answer, Call, Operation
from local_azure.arm.providers.web.sites import SITE, TYPE, site_of
from local_azure.arm.store import Resource
from local_azure.function_apps import HostAnswer, HostUnavailable, RunningHost
from local_azure.functions_host.keys import Keys

_HOST = SITE + "/host/default"
_FUNCTION = SITE + "/functions/{function}"
_KINDS = {"functionkeys": "functionKeys", "systemkeys": "systemKeys"}


async def _host(call: Call) -> RunningHost:
    """The host of the app that the path names.

    Raises:
        WebError: it is not up.
    """
    try:
        return await call.azure.apps.host(site_of(call).name)
    except HostUnavailable as unavailable:
        raise host_unavailable(unavailable.status) from unavailable


async def _ask(host: RunningHost, method: str, path: str, body: Any = None) -> HostAnswer:
    """Ask the host.

    Raises:
        WebError: it does not answer.
    """
    try:
        answer = await host.call(method, path, body)
    except HostUnavailable as unavailable:
        raise host_unavailable(unavailable.status) from unavailable
    if answer.status >= 500:
        raise host_unavailable("InternalServerError" if answer.status == 500 else "ServiceUnavailable")
    return answer


async def _keys(host: RunningHost) -> Keys:
    try:
        return await host.keys()
    except HostUnavailable as unavailable:
        raise host_unavailable(unavailable.status) from unavailable


# -- keys


async def list_keys(call: Call) -> Answer:
    """List the host's keys (web-sites-host-listkeys.json)."""
    keys = await _keys(await _host(call))
    return Answer(body={"masterKey": keys.master, "functionKeys": dict(keys.host), "systemKeys": dict(keys.system)})


async def put_key(call: Call) -> Answer:
    """Set one of the host's keys (web-sites-host-functionkeys-put.json)."""
    resource, host = site_of(call), await _host(call)
    kind, name = _kind(call), call.parameters["key"]
    is_master = kind == "masterkey"
    known = await _keys(host)
    exists = is_master or name in (known.system if kind == "systemkeys" else known.host)
    value = await _set(call, host, "/admin/host/systemkeys/_master" if is_master else f"/admin/host/{kind}/{name}")
    shown = _KINDS.get(kind, kind)
    document = _key(resource, f"host/default/{shown}/{name}", f"host/{shown}", value)
    return Answer(200 if exists else 201, document)


async def _set(call: Call, host: RunningHost, path: str) -> str:
    """Have the host keep the key's value that the call has, or make one; returns it."""
    asked = call.properties.get("value")
    body = {"name": path.rsplit("/", 1)[-1], "value": asked} if asked else None
    answer = await _ask(host, "PUT" if asked else "POST", path, body)
    if answer.status >= 400:
        raise ArmError(answer.status, "BadRequest", f"The key '{call.parameters['key']}' cannot be set.")
    value: str = answer.document["value"]
    return value


def _key(resource: Resource, below: str, kind: str, value: str) -> dict[str, Any]:
    """A key as a resource, from where it is below the app, and its type there."""
    name = below.rsplit("/", 1)[-1]
    return {
        "id": f"{resource.id}/{below}",
        "name": name,
        "type": f"{TYPE}/{kind}",
        "location": resource.document["location"],
        "properties": {"name": name, "value": value},
    }


def _kind(call: Call) -> str:
    kind = call.parameters["kind"].lower()
    if kind not in (*_KINDS, "masterkey"):
        raise ArmError(404, "NotFound", f"There is no kind of keys '{kind}'.")
    return kind


async def delete_key(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Delete Host Secret: 204, or 404 when there is none."""
    answer = await _ask(await _host(call), "DELETE", f"/admin/host/{_kind(call)}/{call.parameters['key']}")
    return Answer(404 if answer.status == 404 else 204)


async def list_function_keys(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - List Function Keys: a bare object."""
    host = await _host(call)
    await _function(call, site_of(call), host)
    return Answer(body=await _function_keys(call, host))


async def _function_keys(call: Call, host: RunningHost) -> dict[str, str]:
    keys = await _keys(host)
    return dict(keys.functions.get(call.parameters["function"].lower(), {}))


async def put_function_key(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Create Or Update Function Secret; the form of a host's key."""
    resource, host = site_of(call), await _host(call)
    function, name = (await _function(call, resource, host))["properties"]["name"], call.parameters["key"]
    exists = name in await _function_keys(call, host)
    value = await _set(call, host, f"/admin/functions/{function}/keys/{name}")
    return Answer(200 if exists else 201, _key(resource, f"functions/{function}/keys/{name}", "functions/keys", value))


async def delete_function_key(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Delete Function Secret: 204, or 404 when there is none."""
    host = await _host(call)
    function = (await _function(call, site_of(call), host))["properties"]["name"]
    answer = await _ask(host, "DELETE", f"/admin/functions/{function}/keys/{call.parameters['key']}")
    return Answer(404 if answer.status == 404 else 204)


# -- functions


async def list_functions(call: Call) -> Answer:
    """List the functions of an app (web-sites-functions-list.json)."""
    resource, host = site_of(call), await _host(call)
    functions = [_describe(resource, each) for each in await _functions(host)]
    return Answer(body={"value": functions, "nextLink": None, "id": None})


async def get_function(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Get Function; the form of web-sites-functions-list.json."""
    return Answer(body=await _function(call, site_of(call), await _host(call)))


async def _functions(host: RunningHost) -> list[dict[str, Any]]:
    answer = await _ask(host, "GET", "/admin/functions")
    return list(answer.document) if answer.status == 200 else []


async def _function(call: Call, resource: Resource, host: RunningHost) -> dict[str, Any]:
    wanted = call.parameters["function"].lower()
    found = next((each for each in await _functions(host) if each["name"].lower() == wanted), None)
    if found is None:
        raise ArmError(404, "NotFound", f"Function ({call.parameters['function']}) does not exist.")
    return _describe(resource, found)


def _describe(resource: Resource, function: dict[str, Any]) -> dict[str, Any]:
    """A function of the host's own list as ARM shows it."""
    base = f"https://{resource.properties['defaultHostName']}"
    name, config = function["name"], function.get("config", {})
    files = f"{base}/admin/vfs/home/site/wwwroot"
    script = posixpath.normpath(f"{name}/{config.get('scriptFile') or '__init__.py'}")
    return {
        "id": f"{resource.id}/functions/{name}",
        "name": f"{resource.name}/{name}",
        "type": f"{TYPE}/functions",
        "location": resource.document["location"],
        "properties": {
            "name": name,
            "function_app_id": None,
            "script_root_path_href": f"{files}/{name}/",
            "script_href": f"{files}/{script}",
            "config_href": f"{files}/{name}/function.json",
            "test_data_href": f"{base}/admin/vfs/tmp/FunctionsData/{name}.dat",
            "secrets_file_href": None,
            "href": f"{base}/admin/functions/{name}",
            "config": config,
            "files": None,
            "test_data": "",
            "invoke_url_template": function.get("invoke_url_template"),
            "language": function.get("language", "python"),
            "isDisabled": bool(function.get("isDisabled")),
        },
    }


# -- the host itself


async def sync_triggers(call: Call) -> Answer:
    """Sync function triggers, which also wakes the host (web-sites-syncfunctiontriggers.json)."""
    await _ask(await _host(call), "POST", "/admin/host/synctriggers")
    return Answer(204)


async def host_runtime(call: Call) -> Answer:
    """Any page of the host, such as hostruntime/admin/host/status: general knowledge, what the portal calls."""
    answer = await _ask(await _host(call), call.method, "/" + call.parameters["page"], call.body)
    return Answer(answer.status, answer.document)


async def host_status(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Get Functions Host Status: host/default/properties/status."""
    resource = site_of(call)
    answer = await _ask(await _host(call), "GET", "/admin/host/status")
    document = {
        "id": f"{resource.id}/host/default/properties/status",
        "name": "status",
        "type": f"{TYPE}/host/properties",
        "location": resource.document["location"],
        "properties": answer.document,
    }
    return Answer(answer.status, document)


async def container_logs(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Get Web Site Container Logs: the last lines, or 204."""
    text = await call.azure.apps.container_log(site_of(call).name)
    return Answer(200, text, content_type="application/octet-stream") if text else Answer(204)


_KEY = {"properties.value": str}
OPERATIONS = (
    Operation("POST", _HOST + "/listkeys", list_keys, "web-sites-host-listkeys.json"),
    Operation("PUT", _HOST + "/{kind}/{key}", put_key, "web-sites-host-functionkeys-put.json", _KEY),
    Operation("DELETE", _HOST + "/{kind}/{key}", delete_key),
    Operation("GET", _HOST + "/properties/status", host_status),
    Operation("GET", SITE + "/functions", list_functions, "web-sites-functions-list.json"),
    Operation("GET", _FUNCTION, get_function),
    Operation("POST", _FUNCTION + "/listkeys", list_function_keys),
    Operation("PUT", _FUNCTION + "/keys/{key}", put_function_key, fields=_KEY),
    Operation("DELETE", _FUNCTION + "/keys/{key}", delete_function_key),
    Operation("POST", SITE + "/syncfunctiontriggers", sync_triggers, "web-sites-syncfunctiontriggers.json"),
    Operation("POST", SITE + "/host/default/sync", sync_triggers),
    *(
        Operation(method, SITE + "/hostruntime/{page:path}", host_runtime)
        for method in ("GET", "POST", "PUT", "DELETE")
    ),
    Operation("POST", SITE + "/containerlogs", container_logs),
)
