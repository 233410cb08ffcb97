"""What opens a storage account: the key or signature that a workspace hands out, or the caller's own identity."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from azext_mlfunc.registry.credentials import Secret

SCOPE = "https://storage.azure.com/.default"
"""What a token for storage is for. Source: Azure Storage docs, "Authorize with Microsoft Entra ID"."""
_VALID = timedelta(hours=1)
_SKEW = timedelta(minutes=15)  # what Azure Storage allows a client's clock to be wrong
_RENEWED = 300.0  # seconds before its end at which a token is renewed


def _signed(url: str, query: str) -> str:
    """An address with its signature, which from now on no log shows: urllib3 logs addresses for `az --debug`."""
    _keep_signatures_out_of_logs()
    return f"{url}?{query}"


class _NoSignatures(logging.Filter):
    """Takes signatures out of what is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_SIGNATURE.sub(r"\1…", each) if isinstance(each, str) else each for each in record.args)
        return True


_SIGNATURE = re.compile(r"([?&]sig=)[^&\s]+", re.IGNORECASE)
_NO_SIGNATURES = _NoSignatures()


def _keep_signatures_out_of_logs() -> None:
    logging.getLogger("urllib3.connectionpool").addFilter(_NO_SIGNATURES)  # the same one is added only once


class Access(Protocol):
    """One way into a container. Requests are signed one by one: what opens a container may end before a download."""

    origin: str
    """What it is, as an error calls it."""

    def credential(self) -> Any:
        """What the storage SDK takes as `credential`."""

    def sign(self, url: str) -> tuple[str, dict[str, str]]:
        """The address and the headers of a request that reads `url`, now."""


class AccountKey:
    """The key of the account.

    :param account: its name.
    :param container: the container's name.
    :param key: the key.
    :param make_sas: the SDK's `generate_container_sas`.
    """

    def __init__(self, account: str, container: str, key: Secret, make_sas: Callable[..., str]) -> None:
        self.origin = "the account key that the workspace hands out"
        self._account = account
        self._container = container
        self._key = key
        self._make_sas = make_sas

    def credential(self) -> Any:
        return {"account_name": self._account, "account_key": self._key.reveal()}

    def sign(self, url: str) -> tuple[str, dict[str, str]]:
        now = datetime.now(timezone.utc)
        signature = self._make_sas(
            self._account,
            self._container,
            account_key=self._key.reveal(),
            permission="r",
            start=now - _SKEW,
            expiry=now + _VALID,
        )
        return _signed(url, signature), {}


class Sas:
    """A shared access signature.

    :param token: the query that it is.
    :param origin: whence it came, see `Access`.
    """

    def __init__(self, token: Secret, origin: str = "the shared access signature that the workspace hands out") -> None:
        self.origin = origin
        self._token = token

    def credential(self) -> Any:
        from azure.core.credentials import AzureSasCredential

        _keep_signatures_out_of_logs()
        return AzureSasCredential(self._token.reveal().lstrip("?"))

    def sign(self, url: str) -> tuple[str, dict[str, str]]:
        return _signed(url, self._token.reveal().lstrip("?")), {}


class Identity:
    """Who `az` is signed in as.

    :param sign_in: gives the credential, in azure-core's sense.
    """

    origin = "your own identity"

    def __init__(self, sign_in: Callable[[], Any]) -> None:
        self._sign_in = sign_in
        self._lock = threading.Lock()
        self._credential: Any = None
        self._token = Secret("")
        self._ends = 0.0

    def credential(self) -> Any:
        with self._lock:
            return self._own()

    def sign(self, url: str) -> tuple[str, dict[str, str]]:
        with self._lock:
            if time.time() > self._ends - _RENEWED:
                token = self._own().get_token(SCOPE)
                self._token, self._ends = Secret(token.token), float(token.expires_on)
            return url, {"Authorization": f"Bearer {self._token.reveal()}"}

    def _own(self) -> Any:
        self._credential = self._credential or self._sign_in()
        return self._credential
