"""The names that follow from a request: the same every time, and such as Azure takes."""

from __future__ import annotations

import re

import pytest

from azext_mlfunc.deploying.request import DeployRequest

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
LONGEST = "a" * 30 + "-" + "B" * 29


def request(app: str, group: str = "group", subscription: str = SUBSCRIPTION) -> DeployRequest:
    return DeployRequest(subscription, group, app, "registry.azurecr.io/package:1")


def names(asked: DeployRequest) -> tuple[str, ...]:
    return (
        asked.account_name("fn"),
        asked.account_name("tr"),
        asked.namespace_name(),
        asked.plan_name(),
        asked.workspace_name(),
    )


@pytest.mark.parametrize("app", ["ab", "my-model", "0day", "A-1", LONGEST])
def test_names_are_such_as_azure_takes(app: str):
    account, other, namespace, plan, workspace = names(request(app))
    assert re.fullmatch(r"[a-z0-9]{3,24}", account) and re.fullmatch(r"[a-z0-9]{3,24}", other)
    assert account != other
    assert re.fullmatch(r"[a-z][a-z0-9-]{4,48}[a-z0-9]", namespace) and "--" not in namespace
    assert re.fullmatch(r"[A-Za-z0-9-]{1,40}", plan)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", workspace)


def test_they_are_always_the_same():
    assert names(request("my-model")) == (
        "mymodelfnbffa5e69",
        "mymodeltrea524fb2",
        "my-model-ef64f715",
        "my-model-plan",
        "my-model-logs",
    )
    assert request("My-Model", "GROUP").namespace_name() == request("my-model").namespace_name()


def test_what_is_unique_in_all_of_azure_differs_by_subscription_and_group():
    one = request("my-model")
    for other in (request("my-model", "other"), request("my-model", subscription=SUBSCRIPTION.replace("1", "9"))):
        assert not {*names(one)[:3]} & {*names(other)[:3]}
