"""The description of the API."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
Start = Callable[..., Any]


@pytest.fixture
def describe(start: Start, runtime: Callable[[str], Any]) -> Callable[..., Any]:
    """The description of a script's API in a version."""

    def describe_script(script: str, version: str, **settings: str) -> Any:
        process = start(script, **settings)
        return runtime("swagger").describe(version, process.scorer.script.run, process.settings)

    return describe_script


@pytest.mark.parametrize(
    ("version", "kind", "number"),
    [
        ("2", "swagger", "2.0"),
        ("2.0", "swagger", "2.0"),
        ("3", "openapi", "3.0.3"),
        ("3.0", "openapi", "3.0.3"),
        ("3.1", "openapi", "3.1.0"),
    ],
)
def test_versions(describe: Callable[..., Any], version: str, kind: str, number: str) -> None:
    document = describe("plain.py", version)
    assert document[kind] == number
    operations = {
        (path, method): op["operationId"] for path, ops in document["paths"].items() for method, op in ops.items()
    }
    assert operations == {
        ("/", "get"): "ServiceHealthCheck",
        ("/score", "post"): "RunMLService",
        ("/swagger.json", "get"): "GetSwaggerSpec",
    }


@pytest.mark.parametrize("version", ["2", "3"])
def test_the_services_name_version_and_prefix(describe: Callable[..., Any], version: str) -> None:
    names = {"SERVICE_NAME": "Mine", "SERVICE_VERSION": "2.1", "SERVICE_PATH_PREFIX": "api"}
    document = describe("plain.py", version, **names)
    assert (document["info"]["title"], document["info"]["version"]) == ("Mine", "2.1")
    assert list(document["paths"]) == ["/api/", "/api/score", "/api/swagger.json"]


def test_the_key_is_that_of_azure_functions(describe: Callable[..., Any]) -> None:
    (scheme,) = describe("plain.py", "3")["components"]["securitySchemes"].values()
    assert (scheme["in"], scheme["name"]) == ("header", "x-functions-key")
    (scheme,) = describe("plain.py", "2")["securityDefinitions"].values()
    assert (scheme["in"], scheme["name"]) == ("header", "x-functions-key")


@pytest.mark.parametrize("version", ["2", "3", "3.1"])
def test_an_open_service_asks_for_no_key(describe: Callable[..., Any], tmp_path: Path, version: str) -> None:
    manifest = '{"schemaVersion": 1, "trigger": {"type": "http", "authLevel": "anonymous"}}'
    (tmp_path / "wwwroot" / "mlfunc.json").write_text(manifest, encoding="utf-8")
    assert "security" not in str(describe("plain.py", version))


def test_the_schema_of_run_is_in_it(describe: Callable[..., Any]) -> None:
    pytest.importorskip("inference_schema")
    for document in (describe("schema_standard.py", v) for v in ("2", "3")):
        schemas = document.get("definitions") or document["components"]["schemas"]
        assert list(schemas["ServiceInput"]["properties"]) == ["name", "count", "options"]
        assert schemas["ServiceInput"]["properties"]["count"]["type"] == "integer"
        assert schemas["ServiceOutput"]["example"] == {"text": "Ada"}


def test_what_version_2_cannot_say_is_in_version_3(describe: Callable[..., Any]) -> None:
    pytest.importorskip("inference_schema")
    assert describe("schema_nested.py", "3")["openapi"] == "3.0.3"
    with pytest.raises(LookupError, match=r"no version '2' of this description; there is: 3, 3.0, 3.1"):
        describe("schema_nested.py", "2")


@pytest.mark.parametrize("version", ["", "1", "4", "abc", "2.1"])
def test_an_unknown_version_is_refused_with_the_known_ones(describe: Callable[..., Any], version: str) -> None:
    with pytest.raises(LookupError, match=r"there is: 2, 2.0, 3, 3.0, 3.1"):
        describe("plain.py", version)


@pytest.mark.parametrize(("version", "title"), [("2", "Mine"), ("3", "ML service"), ("3.1", "Mine, newer")])
def test_the_users_own_file_comes_first_unless_it_is_empty(
    describe: Callable[..., Any], version: str, title: str
) -> None:
    assert describe("score.py", version, AML_APP_ROOT=str(SCRIPTS / "own_swagger"))["info"]["title"] == title


def test_an_empty_file_leaves_it_to_the_next(describe: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return data\n", encoding="utf-8")
    (tmp_path / "swagger.json").write_text("{}", encoding="utf-8")
    (tmp_path / "swagger2.json").write_text('{"info": {"title": "The second"}}', encoding="utf-8")
    assert describe("score.py", "2", AML_APP_ROOT=str(tmp_path))["info"]["title"] == "The second"
