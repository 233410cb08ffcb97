"""App settings: what is kept, what is written, what is shown."""

from __future__ import annotations

import pytest

from azext_mlfunc.deploying.resource import Change
from azext_mlfunc.deploying.settings import Setting, check_services, settings_changes, unmet

ACCOUNT = "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;AccountName=one;AccountKey=k3y=="
WITH_ADDRESSES = f"{ACCOUNT};BlobEndpoint=https://one.blob.core.windows.net/"
BUS = "Endpoint=sb://one.servicebus.windows.net/;SharedAccessKeyName=rule;SharedAccessKey=k3y="


@pytest.mark.parametrize(
    ("now", "wanted", "is_met"),
    [
        ("a", "a", True),
        ("a", "b", False),
        (None, "a", False),
        ("a", None, False),
        (WITH_ADDRESSES, ACCOUNT, True),
        (ACCOUNT.replace("k3y", "other"), ACCOUNT, False),
        (ACCOUNT.replace("one", "two"), ACCOUNT, False),
        (BUS, BUS.replace("rule", "other"), False),
        ("AccountName;AccountKey", "AccountName;AccountKey=", False),
    ],
)
def test_when_a_value_may_stay(now: str | None, wanted: str | None, is_met: bool):
    assert Setting(wanted, "$secret").is_met_by(now) is is_met
    assert (unmet({} if now is None else {"NAME": now}, {"NAME": Setting(wanted)}) == {}) is is_met


def test_changes_show_no_secret():
    now = {"KEPT": "1", "OPEN": "old", "SECRET": "old secret", "OTHERS": "x"}
    wanted = {
        "KEPT": Setting("1"),
        "OPEN": Setting("new"),
        "SECRET": Setting("new secret", "$SECRET"),
        "LATER": Setting(None, "$(az …)"),
        "ADDED": Setting("secret too", "$ADDED"),
    }
    assert settings_changes(now, wanted) == [
        Change("settings.OPEN", "old", "new"),
        Change("settings.SECRET", "***", "***"),
        Change("settings.LATER", None, "(known when it is made)"),
        Change("settings.ADDED", None, "***"),
    ]
    assert "secret" not in repr(wanted)


@pytest.mark.parametrize(
    ("now", "wanted", "says"),
    [
        (ACCOUNT, ACCOUNT, None),
        (ACCOUNT.replace("k3y", "old"), ACCOUNT, None),
        (ACCOUNT, ACCOUNT.replace("one", "two"), "leads to the storage account 'one'"),
        (ACCOUNT, None, "leads to the storage account 'one'"),
        (BUS, BUS.replace("one", "two"), "leads to the Service Bus namespace 'one'"),
        ("@Microsoft.KeyVault(SecretUri=https://vault/x)", None, "leads to something that this command did not write"),
        ("@Microsoft.KeyVault(SecretUri=https://vault/x)", ACCOUNT, "something that this command did not write"),
        (None, None, None),
    ],
)
def test_an_app_is_not_led_elsewhere_unasked(now: str | None, wanted: str | None, says: str | None):
    there = {} if now is None else {"Connection": now}
    found = list(check_services("function app 'x'", there, {"Connection": Setting(wanted, "$", "--option")}))
    assert ([] if says is None else [True]) == [says in each.found and "--option" in each.remedy for each in found]
    assert "k3y" not in str(found)
    assert not list(check_services("function app 'x'", there, {"Connection": Setting(wanted, "$")}))


def test_words_for_a_shell():
    assert Setting("plain").word == "plain"
    assert Setting("secret", "$(az …)").word == "$(az …)"
