"""Environment variables of a deployment file: they become the image's own, but for what looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.request import PackageRequest

_NAME = re.compile(
    r"(?:^|_)(?:pass(?:word|wd|phrase)?|pwd|secrets?|tokens?|sas|pat|credentials?|(?:api|access|account)?keys?|"
    r"connection_?strings?|[a-z]*connstr)(?:$|_)|(?:password|secret|token|apikey|connectionstring)$",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(?:^|_)tokens(?:$|_)", re.IGNORECASE)
"""A language model's tokens are a number: MAX_TOKENS."""
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
"""Where a name's words are joined: storageAccountKey, Storage__Key, storage-key."""
# Connection strings (Azure Storage, Service Bus, databases), signed addresses, addresses with a password, key files.
_VALUE = re.compile(
    r"(?:^|;)\s*(?:AccountKey|SharedAccessKey|SharedAccessSignature|password|pwd)\s*=\s*[^\s;]|[?&]sig=[^&]|"
    r"://[^/@:\s]*:[^/@\s]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----",
    re.IGNORECASE,
)


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield the variables that stay out of the image."""
    for name, value in sorted(request.variables.items()):
        if is_secret(name, value):
            what = "value" if _VALUE.search(value) else "name"
            yield Finding(
                f"the environment variable {name}",
                f"its {what} says that it holds a secret: it is left out, as whoever may pull an image can read it",
                "no secrets in the image",
                f"give it to the app: az ml-func deploy --settings {name}=…",
                severity="warning",
            )


def kept(request: PackageRequest) -> dict[str, str]:
    """The variables that go into the image."""
    return {name: value for name, value in request.variables.items() if not is_secret(name, value)}


def is_secret(name: str, value: str) -> bool:
    """Whether a variable usually holds a secret, by its name or by the form of its value."""
    words = _WORDS.sub("_", name)
    is_number = value.strip().isdecimal() and _COUNTED.search(words) is not None
    return _VALUE.search(value) is not None or (_NAME.search(words) is not None and not is_number)
