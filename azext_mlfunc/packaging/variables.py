"""Environment variables of a deployment file: they become the image's own, but for what looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.request import PackageRequest

_SECRET = re.compile(r"(?i)(^|_)(pass(word|wd)?|pwd|secrets?|tokens?|sas|credentials?|(api|access|account)?_?keys?|"
                     r"connection_?string)($|_)|(password|secret|token|apikey|connectionstring)$")  # fmt: skip


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield the variables that stay out of the image."""
    for name in sorted(request.variables):
        if is_secret(name):
            yield Finding(
                f"the environment variable {name}",
                "its name says that it holds a secret: it is left out, as whoever may pull an image can read it",
                "no secrets in the image",
                f"give it to the app: az ml-func deploy --settings {name}=…",
                severity="warning",
            )


def kept(request: PackageRequest) -> dict[str, str]:
    """The variables that go into the image."""
    return {name: value for name, value in request.variables.items() if not is_secret(name)}


def is_secret(name: str) -> bool:
    """Whether a variable of that name usually holds a secret."""
    return _SECRET.search(name) is not None
