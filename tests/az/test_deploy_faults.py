"""`az ml-func deploy` where things go wrong: whatever happens, the same command ends in the same state.

Every write of an undisturbed deployment is found in the log of the local Azure, for each trigger; then deployments
with other names meet every fault at each of these writes. The model needs nothing but Python, and apps run as
processes, so that an app is up in a second or two.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from helpers import Answer

from local_azure.waiting import wait_for

from .cloud import Cloud
from .deployments import Deployment, Write, at_once, package
from .parts import Group

TRIGGERS = ("http", "blob", "service-bus-queue")
Kind = TypeVar("Kind")
Request = TypeVar("Request")
FOR_EVER = 1_000_000  # times
AGAIN = "Run the same command again: it goes on from here."
_TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}")


def _body(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


PASSING: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "headers": {"Retry-After": "1"}, "body": _body("TooManyRequests", "Slow down.")},
    "500": {"status": 500, "body": _body("InternalServerError", "It was us.")},
    "dropped before it was carried out": {"drop": True},
    "dropped after it was carried out": {"drop": True, "after": True},
}
LASTING: dict[str, tuple[dict[str, Any], str]] = {
    "403": (
        {"status": 403, "body": _body("AuthorizationFailed", "You may not.")},
        "(AuthorizationFailed) You may not.",
    ),
    "500": ({"status": 500, "body": _body("InternalServerError", "It was us.")}, "(InternalServerError) It was us."),
    "no network": ({"drop": True}, "HTTPS_PROXY"),
}
KINDS = {
    "resourceGroups": "resource group",
    "serverfarms": "plan",
    "storageAccounts": "storage account",
    "containers": "container",
    "namespaces": "Service Bus namespace",
    "queues": "queue",
    "authorizationRules": "access rule",
    "workspaces": "Log Analytics workspace",
    "components": "Application Insights",
    "sites": "function app",
}
"""What people call what is written, by the last type in its path."""


@dataclass(frozen=True)
class Undisturbed:
    """What a deployment without any fault came to.

    Attributes:
        writes: in their order.
        state: of all resources in the end.
    """

    image: str
    writes: tuple[Write, ...]
    state: dict[str, Any]


ByTrigger = Mapping[str, Undisturbed]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One of this file's own: its faults are nobody else's, and apps run as processes, which start fast."""
    cloud = Cloud(tmp_path_factory.mktemp("faults") / "state", "--compute", "process").up()
    yield cloud
    cloud.down()


@pytest.fixture(scope="module", autouse=True)
def interruptible() -> Iterator[None]:
    """What the tests start can be interrupted, also where whoever started the tests cannot."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def nothing_left(cloud: Cloud) -> Iterator[None]:
    """What a test has deployed and deleted leaves nothing behind, in its own resource group or elsewhere."""
    before = set(cloud.control("resources"))
    yield
    cloud.control("faults", "DELETE")
    assert set(cloud.control("resources")) == before


@pytest.fixture(scope="module")
def undisturbed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> ByTrigger:
    registry, project = Group.make(cloud, "images").registry(), tmp_path_factory.mktemp("project")

    def deployed(trigger: str) -> Undisturbed:
        deployment = Deployment.fresh(cloud, package(cloud, registry, project, trigger))
        made = [step for step in deployment.run().result["steps"][:-1] if step["outcome"] == "created"]
        writes = deployment.writes()
        assert len(writes) == len(set(writes)) == len(made)
        found = Undisturbed(deployment.image, tuple(writes), deployment.state())
        deployment.delete()
        return found

    return dict(zip(TRIGGERS, at_once(deployed, TRIGGERS), strict=True))


# -- what is asked of every deployment


def check(deployment: Deployment, answer: Answer, state: dict[str, Any]) -> None:
    """The command went well, the state is this one, and no secret was said on the way there."""
    assert answer.code == 0, answer.stderr
    found = deployment.state()
    assert sorted(found) == sorted(state)
    for identifier, document in state.items():
        assert found[identifier] == document, identifier
    check_secrets(deployment)


def check_secrets(deployment: Deployment) -> None:
    text = "\n".join(deployment.said)
    assert not _TOKEN.search(text)
    for secret in deployment.secrets():
        assert secret not in text, secret


def converge(deployments: Iterable[Deployment], state: dict[str, Any], *more: str) -> list[Answer]:
    """Run the same command again where nothing is wrong any more, and check what comes of it."""
    deployments = list(deployments)
    deployments[0].cloud.control("faults", "DELETE")
    answers = at_once(lambda deployment: deployment.run(*more), deployments)
    for deployment, answer in zip(deployments, answers, strict=True):
        check(deployment, answer, state)
    return answers


def kind_of(write: Write) -> str:
    """What people call it."""
    return KINDS[write.split("/")[-2]]


def outcomes(answer: Answer) -> set[str]:
    return {step["outcome"] for step in answer.result["steps"]}


def turns(kinds: Mapping[str, Kind], first: int, requests: Sequence[Request]) -> list[tuple[Request, Kind]]:
    """Each request with a kind of fault: one after the other, from this one on."""
    of_each = itertools.islice(itertools.cycle(kinds.values()), first, first + len(requests))
    return list(zip(requests, of_each, strict=True))


# -- the tests


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_faults_that_pass_are_not_even_noticed(cloud: Cloud, undisturbed: ByTrigger, trigger: str):
    """Every write meets every fault, over four deployments in each of which every write meets one."""
    plain = undisturbed[trigger]
    deployments = [Deployment.fresh(cloud, plain.image) for _ in PASSING]
    for shift, deployment in enumerate(deployments):
        for write, fault in turns(PASSING, shift, plain.writes):
            deployment.suffer(write, **fault)

    first = at_once(Deployment.run, deployments)

    for deployment, answer in zip(deployments, first, strict=True):
        check(deployment, answer, plain.state)
        assert [deployment.met(write) for write in plain.writes] == [2] * len(plain.writes)
    for answer in converge(deployments, plain.state):
        assert outcomes(answer) == {"unchanged"}
    at_once(Deployment.delete, deployments)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_interrupted_right_after_a_write(cloud: Cloud, undisturbed: ByTrigger, trigger: str, number: signal.Signals):
    """At each of the writes; no write that was carried out is repeated when the command goes on."""
    plain = undisturbed[trigger]
    deployments = [Deployment.fresh(cloud, plain.image) for _ in plain.writes]

    first = at_once(lambda deployment, write: deployment.interrupt(write, number), deployments, plain.writes)

    for write, answer in zip(plain.writes, first, strict=True):
        assert answer.stdout == "" and "Traceback" not in answer.stderr
        if number is signal.SIGKILL:
            assert answer.code == -signal.SIGKILL, answer.stderr
        else:
            assert answer.code == 1
            interrupted = answer.stderr.strip().splitlines()[-1]
            assert "Interrupted while writing" in interrupted and kind_of(write) in interrupted
            assert interrupted.endswith(AGAIN)
    converge(deployments, plain.state)
    for deployment in deployments:
        assert sorted(deployment.writes()) == sorted(plain.writes)
    at_once(Deployment.delete, deployments)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_faults_that_last(cloud: Cloud, undisturbed: ByTrigger, trigger: str):
    """Every write meets one, and those that all triggers have meet all of them."""
    plain = undisturbed[trigger]
    deployments = [Deployment.fresh(cloud, plain.image) for _ in plain.writes]
    kinds = turns(LASTING, TRIGGERS.index(trigger), plain.writes)
    for deployment, (write, (fault, _)) in zip(deployments, kinds, strict=True):
        deployment.suffer(write, **fault, count=FOR_EVER)

    first = at_once(Deployment.run, deployments)

    for deployment, answer, (write, (_, reason)) in zip(deployments, first, kinds, strict=True):
        check_failure(deployment, answer, write, reason, plain)
    converge(deployments, plain.state)
    at_once(Deployment.delete, deployments)


def check_failure(deployment: Deployment, answer: Answer, write: Write, reason: str, plain: Undisturbed) -> None:
    """It says what failed and why, what is there and what is not, and that is so: nothing is there in part."""
    assert (answer.code, answer.stdout) == (1, "")
    assert f"The {kind_of(write)} '" in answer.stderr and reason in answer.stderr and AGAIN in answer.stderr
    assert "Traceback" not in answer.stderr
    kept, left = (
        re.search(rf"{begin}: (.*)\.$", answer.stderr, re.MULTILINE)[1].split(", ")  # type: ignore[index]
        for begin in ("Written and kept", "Not written")
    )
    state = deployment.state()
    there = [each for each in plain.writes if _in(each, state)]
    assert sorted(title.split(" '")[0] for title in kept if title != "nothing") == _titles(there)
    assert sorted(title.split(" '")[0] for title in left) == _titles(set(plain.writes) - set(there))
    assert write not in there
    for identifier, document in state.items():
        assert plain.state[identifier] == document
    check_secrets(deployment)


def _in(write: Write, state: dict[str, Any]) -> bool:
    return write.lower() in (identifier.lower() for identifier in state)


def _titles(writes: Iterable[Write]) -> list[str]:
    return sorted(kind_of(write) for write in writes)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_reads_that_fail_once(cloud: Cloud, undisturbed: ByTrigger, trigger: str):
    """Every one, on the way to a new app, and then to one that is there."""
    plain = undisturbed[trigger]
    cloud.control("requests", "DELETE")
    before = Deployment.fresh(cloud, plain.image)
    before.run()
    arm = [each for each in cloud.requests() if each["host"] == "localhost"]
    reads = {(each["method"], before.general(each["path"])) for each in arm}
    reads -= {("PUT", write) for write in plain.writes}
    assert len(reads) > len(plain.writes)

    deployment = Deployment.fresh(cloud, plain.image)
    for first in (TRIGGERS.index(trigger), TRIGGERS.index(trigger) + 1):
        for (method, path), kind in turns(PASSING, first, sorted(reads)):
            deployment.suffer(path, **kind, method=method)
        check(deployment, deployment.run(), plain.state)
        cloud.control("faults", "DELETE")
    at_once(Deployment.delete, [before, deployment])


def test_what_was_written_is_not_known_everywhere_at_once(cloud: Cloud, undisturbed: ByTrigger):
    """The first look after a write finds nothing."""
    plain = undisturbed["http"]
    deployment = Deployment.fresh(cloud, plain.image)
    for write in plain.writes[:-1]:
        missing = _body("ResourceNotFound", "It cannot be found.")
        deployment.suffer(write, method="GET", nth=2, status=404, body=missing)
    check(deployment, deployment.run(), plain.state)
    assert all(deployment.met(write) > 2 for write in plain.writes[:-1])
    assert sorted(deployment.writes()) == sorted(plain.writes)
    deployment.delete()


# -- an app that is there


UPDATE = ("--sku", "B2", "--settings", "MORE=1")


@pytest.fixture(scope="module")
def updated(cloud: Cloud, undisturbed: ByTrigger) -> Undisturbed:
    """What comes of an update of an app to which its owner has done more than we have."""
    [deployment] = owned(cloud, undisturbed["http"], 1)
    cloud.control("requests", "DELETE")
    deployment.run(*UPDATE)
    writes, state = deployment.writes(), deployment.state()
    assert [kind_of(write) for write in writes] == ["plan", "function app"]
    site = next(document for identifier, document in state.items() if identifier.endswith("/sites/{app}"))
    settings = next(document for identifier, document in state.items() if identifier.endswith("/config/appsettings"))
    assert site["tags"] == {"ml-func-app": "{app}", "owner": "somebody"}
    assert (settings["properties"]["OWN"], settings["properties"]["MORE"]) == ("kept", "1")
    deployment.delete()
    return Undisturbed(deployment.image, tuple(writes), state)


def owned(cloud: Cloud, plain: Undisturbed, count: int) -> list[Deployment]:
    """Deployments whose owner has given the app a setting, a tag and another configuration."""

    def own(deployment: Deployment) -> None:
        assert deployment.run().code == 0
        site = f"{deployment.path}/providers/Microsoft.Web/sites/{deployment.app}"
        settings = cloud.arm("POST", f"{site}/config/appsettings/list").json()["properties"]
        cloud.put(f"{site}/config/appsettings", {"properties": {**settings, "OWN": "kept"}})
        tags = {"ml-func-app": deployment.app, "owner": "somebody"}
        for path, body in (("", {"tags": tags}), ("/config/web", {"properties": {"numberOfWorkers": 2}})):
            answer = cloud.arm("PATCH", f"{site}{path}", body)
            assert answer.ok, answer.text

    deployments = [Deployment.fresh(cloud, plain.image) for _ in range(count)]
    at_once(own, deployments)
    return deployments


def test_faults_that_pass_in_an_update(cloud: Cloud, undisturbed: ByTrigger, updated: Undisturbed):
    deployments = owned(cloud, undisturbed["http"], len(PASSING))
    for shift, deployment in enumerate(deployments):
        for write, fault in turns(PASSING, shift, updated.writes):
            deployment.suffer(write, **fault)
    for deployment, answer in zip(deployments, at_once(lambda each: each.run(*UPDATE), deployments), strict=True):
        check(deployment, answer, updated.state)
        assert [deployment.met(write) for write in updated.writes] == [2] * len(updated.writes)
    for answer in converge(deployments, updated.state, *UPDATE):
        assert outcomes(answer) == {"unchanged"}
    at_once(Deployment.delete, deployments)


def test_an_update_that_is_interrupted(cloud: Cloud, undisturbed: ByTrigger, updated: Undisturbed):
    cases = list(itertools.product(updated.writes, (signal.SIGKILL, signal.SIGINT)))
    deployments = owned(cloud, undisturbed["http"], len(cases))
    first = at_once(lambda each, case: each.interrupt(*case, *UPDATE), deployments, cases)
    assert [answer.code for answer in first] == [-signal.SIGKILL, 1] * len(updated.writes)
    converge(deployments, updated.state, *UPDATE)
    at_once(Deployment.delete, deployments)


def test_an_update_that_fails(cloud: Cloud, undisturbed: ByTrigger, updated: Undisturbed):
    """It leaves the app as it was, but for the plan that it had changed already."""
    cases = list(itertools.product(updated.writes, LASTING.values()))
    deployments = owned(cloud, undisturbed["http"], len(cases))
    before = deployments[0].state()
    for deployment, (write, (fault, _)) in zip(deployments, cases, strict=True):
        deployment.suffer(write, **fault, count=FOR_EVER)

    first = at_once(lambda each: each.run(*UPDATE), deployments)

    for deployment, answer, (write, (_, reason)) in zip(deployments, first, cases, strict=True):
        assert answer.code == 1 and reason in answer.stderr and AGAIN in answer.stderr
        is_plan = write == updated.writes[0]
        changed = {} if is_plan else {updated.writes[0]: updated.state[updated.writes[0]]}
        assert deployment.state() == before | changed
        kept = "nothing" if is_plan else f"plan '{deployment.app}-plan'"
        assert f"Written and kept: {kept}.\nNot written: " in answer.stderr
        check_secrets(deployment)
    converge(deployments, updated.state, *UPDATE)
    at_once(Deployment.delete, deployments)


# -- the network


def test_the_network_goes_on_the_way(cloud: Cloud, undisturbed: ByTrigger):
    """After some requests nothing gets through any more: while it plans, while it writes, while it waits."""
    plain = undisturbed["service-bus-queue"]
    cloud.control("requests", "DELETE")
    whole = Deployment.fresh(cloud, plain.image)
    whole.run()
    positions = {
        moment: next(index for index, each in enumerate(whole.requests(), 1) if test(each))
        for moment, test in {
            "planning": lambda each: each["method"] == "GET" and "/namespaces/" in each["path"],
            "writing": lambda each: each["method"] == "PUT" and "/namespaces/" in each["path"],
            "writing the app": lambda each: each["method"] == "PUT" and "/sites/" in each["path"],
            "waiting": lambda each: "/hostruntime/" in each["path"],
        }.items()
    }
    deployments = [Deployment.fresh(cloud, plain.image) for _ in positions]
    for deployment, position in zip(deployments, positions.values(), strict=True):
        cloud.control("faults", "POST", {"path": deployment.path, "nth": position, "count": FOR_EVER, "drop": True})

    first = at_once(lambda each: each.run("--timeout", "5"), deployments)
    cloud.control("faults", "DELETE")

    for deployment, answer in zip(deployments, first, strict=True):
        state = deployment.state()
        assert (answer.code, answer.stdout) == (1, "") and "Traceback" not in answer.stderr
        assert {identifier: plain.state[identifier] for identifier in state} == state
        assert "could not be reached, or did not go on answering" in answer.stderr
        assert "same command again" in answer.stderr or state == {}
        check_secrets(deployment)
    converge(deployments, plain.state)
    at_once(Deployment.delete, [whole, *deployments])


# -- while Azure takes its time


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One that is five times as fast as Azure; a namespace takes it ten seconds."""
    cloud = Cloud(tmp_path_factory.mktemp("slow") / "state", "--compute", "process", "--latency", "azure:0.2").up()
    yield cloud
    cloud.down()


def test_interrupted_while_it_is_still_being_made(slow: Cloud, tmp_path: Path):
    """The client is killed when Azure has said that it will make a resource; the same command is run again at once."""
    image = package(slow, Group.make(slow, "images").registry(), tmp_path / "project", "service-bus-queue")
    plain, early, later = (Deployment.fresh(slow, image) for _ in range(3))

    def resume(deployment: Deployment, kind: str, status: int) -> Answer:
        def accepted() -> bool:
            return any(
                (each["method"], each["status"]) == ("PUT", status) and kind in each["path"]
                for each in deployment.requests()
            )

        assert deployment.interrupt_when(accepted, signal.SIGKILL).code == -signal.SIGKILL
        return deployment.run()

    with ThreadPoolExecutor() as pool:
        undisturbed = pool.submit(plain.run)
        namespace = pool.submit(resume, early, "/namespaces/", 200)
        account = pool.submit(resume, later, "/storageAccounts/", 202)
    assert undisturbed.result().code == 0
    state = plain.state()
    check(early, namespace.result(), state)
    check(later, account.result(), state)
    assert 429 in {each["status"] for each in early.requests()}, "the namespace was there already"
    assert {step["outcome"] for step in account.result().result["steps"]} >= {"created", "unchanged"}


# -- what is said


def test_in_a_pipeline_it_says_plain_lines(cloud: Cloud, undisturbed: ByTrigger):
    deployment = Deployment.fresh(cloud, undisturbed["http"].image)
    answer = deployment.run()
    assert not re.search(r"[\r\x1b\x08]", answer.stderr)
    lines = answer.stderr.splitlines()
    assert all(line.startswith("WARNING: ") for line in lines)
    for step in answer.result["steps"][:-1]:
        told = [line for line in lines if step["name"] in line]
        name = re.escape(step["name"])
        expected = (rf"WARNING: Creating {name}", rf"WARNING: Created {name} \(.* s\)")
        if step["outcome"] == "created":
            assert all(re.fullmatch(*pair) for pair in zip(expected, told, strict=True)), told
    deployment.delete()


def test_only_errors_are_said_when_that_is_asked_for(cloud: Cloud, undisturbed: ByTrigger):
    plain = undisturbed["http"]
    deployment = Deployment.fresh(cloud, plain.image)
    deployment.suffer(plain.writes[1], status=403, body=_body("AuthorizationFailed", "No."))
    refused = deployment.run("--only-show-errors")
    assert refused.code == 1 and refused.stderr.startswith("ERROR: ") and "WARNING" not in refused.stderr
    for outcome in ("created", "unchanged"):
        answer = deployment.run("--only-show-errors")
        assert (answer.code, answer.stderr) == (0, "")
        assert outcome in outcomes(answer)
    deployment.delete()


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_no_secret_is_said_however_much_is_asked_for(cloud: Cloud, undisturbed: ByTrigger, trigger: str):
    """Neither on the way to a new app, nor of one that is there, nor by a failure."""
    plain = undisturbed[trigger]
    registry = plain.image.partition(".")[0]
    login = cloud.run(f"acr credential show --name {registry}")
    deployment = Deployment.fresh(cloud, plain.image)
    deployment.environment["MLFUNC_REGISTRY_PASSWORD"] = login["passwords"][1]["value"]
    asked = ("--debug", "--registry-username", login["username"])
    deployment.suffer(plain.writes[-1], status=400, body=_body("BadRequest", "No."))
    assert deployment.run(*asked).code == 1
    assert deployment.run(*asked, "--dry-run").code == 0
    assert deployment.run(*asked).code == 0
    assert deployment.run(*asked).code == 0
    assert deployment.run("--debug").code == 0
    assert "DEBUG: urllib3" in deployment.said[-1]
    assert {each["value"] for each in login["passwords"]} & deployment.secrets()
    check_secrets(deployment)
    deployment.delete()


def test_a_terminal_is_left_in_order_when_it_is_interrupted(cloud: Cloud, undisturbed: ByTrigger):
    """The live line is gone, and what to do stands on a line of its own."""
    plain = undisturbed["http"]
    deployment = Deployment.fresh(cloud, plain.image)
    not_up = {"Code": "BadRequest", "Message": "Encountered an error (ServiceUnavailable) from host runtime."}
    fault = {"path": f"{deployment.path}/.*/hostruntime/", "status": 400, "body": not_up, "count": FOR_EVER}
    cloud.control("faults", "POST", fault)
    terminal = Terminal()

    process = deployment.start(stderr=terminal.theirs)
    try:
        terminal.hand_over()
        wait_for(lambda: "Waiting for the function" in terminal.shown, 60, "the live line")
        process.send_signal(signal.SIGINT)
        assert (process.communicate(timeout=60)[0], process.returncode) == ("", 1)
    finally:
        process.kill()

    last = terminal.whole().split("\n")[-2:]
    assert last[1] == "" and last[0].rpartition("\x1b[K")[2].strip().startswith("WARNING: Interrupted.")
    converge([deployment], plain.state)
    deployment.delete()


class Terminal:
    """A terminal that a process writes to."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.openpty()
        self.shown = ""
        self._reader = threading.Thread(target=self._read, daemon=True)

    def hand_over(self) -> None:
        """The process has it; from now on it is read, until the process ends."""
        os.close(self.theirs)
        self._reader.start()

    def whole(self) -> str:
        """All that was written, when it is over."""
        self._reader.join()
        os.close(self._ours)
        return self.shown.replace("\r\n", "\n")

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # Linux: nobody has the other side open any more
            while chunk := os.read(self._ours, 1 << 16):
                self.shown += chunk.decode()
