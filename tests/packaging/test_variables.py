"""Which environment variables of a deployment file look like secrets, and what is said of them."""

from __future__ import annotations

import logging

import pytest
from helpers import read_all

from azext_mlfunc.findings import report
from azext_mlfunc.packaging import package, variables
from azext_mlfunc.packaging.image import Tally

VALUE = "hunter2hunter2"


@pytest.mark.parametrize(
    "name",
    """PASSWORD DB_PASSWORD db_pass PGPASSWORD PWD_OF_DB PASSPHRASE SECRET CLIENT_SECRET clientSecret TOKEN HF_TOKEN
    accessToken HF_TOKENS SAS STORAGE_SAS_TOKEN GITHUB_PAT GOOGLE_CREDENTIALS KEY API_KEY APIKEY apiKey api-key
    openaiApiKey ACCESS_KEYS storageAccountKey Storage__Key AZURE_STORAGE_KEY CONNECTION_STRING
    connectionString ConnectionStrings__Db SQLCONNSTR_DB AZURE_STORAGE_CONNECTION_STRING
    APPLICATIONINSIGHTS_CONNECTION_STRING""".split(),
)
def test_names_of_secrets(name):
    assert variables.is_secret(name, VALUE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "quick"),
        ("MAX_TOKENS", "512"),
        ("tokens_per_batch", "8"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("MONKEY", VALUE),
        ("KEYBOARD", VALUE),
        ("BYPASS", "1"),
        ("PATH_TO_DATA", "/data"),
        ("PATTERN", VALUE),
        ("SASKIA", VALUE),
        ("ENDPOINT", "https://host:443/path?signal=1"),
        ("IMAGE", "registry.example.com:5000/name@sha256:0"),
        ("PROXY", "http://proxy:8080"),
        ("MAIL", "mailto:someone@example.com"),
        ("EMPTY", ""),
    ],
)
def test_names_that_only_look_like_it(name, value):
    assert not variables.is_secret(name, value)


@pytest.mark.parametrize(
    "value",
    [
        f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={VALUE}==;EndpointSuffix=core.windows.net",
        f"Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey={VALUE}=",
        f"Server=tcp:x.database.windows.net;User ID=me; Password={VALUE}",
        f"https://x.blob.core.windows.net/c/b?sv=2024-01-01&sig={VALUE}%3D",
        f"postgresql://me:{VALUE}@db.example.com/models",
        f"redis://:{VALUE}@cache:6380",
        f"-----BEGIN RSA PRIVATE KEY-----\n{VALUE}\n",
        f"-----BEGIN PRIVATE KEY-----\n{VALUE}\n",
    ],
)
def test_values_that_are_secrets_whatever_their_name(value):
    assert variables.is_secret("AzureWebJobsDashboard", value)


def test_a_secret_is_named_and_goes_nowhere(project, caplog):
    given = {
        "MODE": "quick",
        "API_KEY": VALUE,
        "AzureWebJobsDashboard": f"AccountName=x;AccountKey={VALUE}",
        "MAX_TOKENS": "512",
    }
    request = project.request(variables=given)
    findings = list(variables.check(request))
    assert [(each.where, each.severity) for each in findings] == [
        ("the environment variable API_KEY", "warning"),
        ("the environment variable AzureWebJobsDashboard", "warning"),
    ]
    assert "its name says" in findings[0].found and "its value says" in findings[1].found
    assert all("deploy --settings" in each.remedy for each in findings)
    assert variables.kept(request) == {"MODE": "quick", "MAX_TOKENS": "512"}

    with caplog.at_level(logging.DEBUG):
        image = package.plan(request)
        files = read_all(image.entries(Tally()))
    assert "API_KEY" in caplog.text
    everything = caplog.text + repr(request) + repr(image) + "".join(map(str, findings))
    assert VALUE not in everything
    assert not [name for name, data in files.items() if VALUE.encode() in data]
    assert b'MODE="quick"' in files["Dockerfile"] and b"MAX_TOKENS" in files["Dockerfile"]


def test_a_deployment_file_among_the_code_is_not_packed(project):
    """It holds the values that were left out."""
    file = project.write("src/deployment.yml", f"environment_variables: {{API_KEY: {VALUE}}}\n")
    link = project.folder / "src" / "link.yml"
    link.symlink_to("deployment.yml")
    other = project.write("src/other.yml", "a: b\n")
    request = project.request(deployment_files=(file,))
    files = read_all(package.plan(request).entries(Tally()))
    assert "app/src" not in files
    assert [name for name in files if name.startswith("app/")] == [f"app/{other.name}", "app/score.py"]


def test_findings_of_variables_do_not_stop_anything(project):
    report(variables.check(project.request(variables={"API_KEY": VALUE})))
