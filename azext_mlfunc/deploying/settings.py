"""App settings: their values, where those come from, and how a plan shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from azext_mlfunc.deploying.resource import HIDDEN, Change, Known
from azext_mlfunc.findings import Finding

_UNKNOWN = "(known when it is made)"
# what of a connection string says which service it leads to, and the word for that
_SERVICES = {"AccountName": "storage account", "Endpoint": "Service Bus namespace"}


@dataclass(frozen=True)
class Setting:
    """One app setting, as it should be.

    :param value: None: it comes from a resource that is not there yet.
    :param shell: how a shell gets the value, where that is a secret; None: it is none.
    :param option: the option that would have named the resource that it comes from, where the user has not.
    """

    value: str | None = field(repr=False)
    shell: str | None = None
    option: str | None = None

    @property
    def shown(self) -> str:
        """The value for people."""
        if self.value is None:
            return _UNKNOWN
        return self.value if self.shell is None else HIDDEN

    def is_met_by(self, now: str | None) -> bool:
        """Whether an app that has this value needs no other one.

        Storage's connection strings are written in several ways: az adds the addresses of all services.
        """
        if now is None or self.value is None:
            return False
        account = [_parts(each) for each in (now, self.value)]
        same = [[parts.get(name) for parts in account] for name in ("AccountName", "AccountKey")]
        return now == self.value or all(mine and mine == theirs for mine, theirs in same)

    @property
    def word(self) -> str:
        """The value for a command in a shell."""
        return str(self.value) if self.shell is None else self.shell


Settings = Callable[[Known], Mapping[str, Setting]]
"""Those that come from other resources, as far as they are there."""


def unmet(now: Mapping[str, str], wanted: Mapping[str, Setting]) -> dict[str, Setting]:
    """Those that have to be written: what is there is another value, or none."""
    return {name: setting for name, setting in wanted.items() if not setting.is_met_by(now.get(name))}


def settings_changes(now: Mapping[str, str], wanted: Mapping[str, Setting]) -> list[Change]:
    """What changes when `wanted` is merged into the settings that are there."""
    changes = []
    for name, setting in unmet(now, wanted).items():
        before = HIDDEN if name in now and setting.shell is not None else now.get(name)
        changes.append(Change(f"settings.{name}", before, setting.shown))
    return changes


def check_services(title: str, now: Mapping[str, str], wanted: Mapping[str, Setting]) -> Iterator[Finding]:
    """Connections of an app that is there lead to other services than those that we would give it, unasked.

    An app that was deployed with `--storage-account x` is not to lose it because `x` was left out this time.
    """
    for name, setting in wanted.items():
        before = now.get(name)
        if not before or setting.option is None:
            continue
        if setting.value is not None and _service(before) == _service(setting.value):
            continue
        kind, service = _service(before)
        found = f"the {kind} '{service}'" if kind else "something that this command did not write"
        yield Finding(
            title,
            f"its setting {name} leads to {found}",
            f"{setting.option}: without it, the app would get another one, of its own",
            f"name the one that it is to have with {setting.option}"
            + (
                f", for example {setting.option} {service}, or its ID if it is in another resource group"
                if kind
                else ""
            ),
        )


def _service(connection: str) -> tuple[str, str]:
    """Which service a connection string leads to: the word for its kind, and its name; neither is a secret."""
    parts = _parts(connection)
    for part, kind in _SERVICES.items():
        if part in parts:
            return kind, parts[part].lower().removeprefix("sb://").rstrip("/").split(".")[0]
    return "", ""


def _parts(connection: str) -> dict[str, str]:
    """The parts of a connection string, by name."""
    return dict(part.split("=", 1) for part in connection.split(";") if "=" in part)
