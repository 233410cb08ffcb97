"""What storage's refusals and silences become: az errors that say what was found and what to do.

None quotes an address with its signature. Source: Azure Storage docs, "Common REST API error codes" and "Blob service
error codes"; "Troubleshoot 403 errors" (AuthorizationFailure is the firewall's, AuthorizationPermissionMismatch is the
lack of a role).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from azext_mlfunc.deploying.arm import NETWORK

ROLE = "Storage Blob Data Reader"
_FIREWALL = ("AuthorizationFailure", "IpAuthorizationError", "AuthorizationSourceIPMismatch")
_BUSY = (408, 429, 500, 502, 503, 504)
_LONGEST_WAIT = 60.0  # seconds


class Transient(Exception):
    """Something failed that may succeed when it is tried again.

    :param error: what to raise when it did not.
    :param wait: how long storage asks to wait, in seconds.
    """

    def __init__(self, error: Exception, wait: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


class Refused(Exception):
    """Storage did not let us in; another way in may still do.

    :param error: what to raise when there is none.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def made(kind: Any, found: str, remedy: str | list[str]) -> Exception:
    """One of az's errors.

    :param kind: its class, of azure.cli.core.azclierror.
    :param found: what was found, and what was expected.
    :param remedy: what to do, each thing of its own.
    """
    error: Exception = kind(found, remedy)
    return error


def of_answer(answer: Any, address: str, origin: str) -> Exception:
    """The error for an answer that is no success.

    :param answer: of requests.
    :param address: what was asked for, without a signature.
    :param origin: what it was asked with, see `Access.origin`.
    """
    code = answer.headers.get("x-ms-error-code", "")
    error = _error(answer.status_code, code, address, origin)
    if answer.status_code in _BUSY:
        asked = answer.headers.get("Retry-After", "")
        return Transient(error, min(float(asked), _LONGEST_WAIT) if asked.isdecimal() else 0.0)
    return error


def of_sdk(problem: Any, address: str, origin: str) -> Exception:
    """The error for what the storage SDK raised; `Refused` where another way in may do.

    :param problem: an AzureError.
    :param address: see `of_answer`.
    :param origin: see `of_answer`.
    """
    status = getattr(problem, "status_code", None)
    if status is None:
        return broken(address, problem.inner_exception or problem).error
    code = str(getattr(getattr(problem, "error_code", None), "value", None) or getattr(problem, "error_code", "") or "")
    error = _error(status, code, address, origin)
    return Refused(error) if status in (401, 403) and code not in _FIREWALL else error


def broken(address: str, problem: BaseException) -> Transient:
    """The connection could not be made, or broke."""
    from azure.cli.core.azclierror import AzureConnectionError

    from azext_mlfunc.registry.errors import reason

    host = urlsplit(address).netloc
    return Transient(
        AzureConnectionError(
            f"The connection to {host} could not be made, or broke, for {address}: {reason(problem)}.",
            [NETWORK, "Run the same command again: it goes on where it stopped."],
        )
    )


def changed(address: str) -> Exception:
    """The file is not the one that was listed."""
    from azure.cli.core.azclierror import ValidationError

    return made(
        ValidationError,
        f"{address} changed, or was deleted, while it was downloaded; what is registered is expected to stay as it is.",
        "Run the same command again. If something writes there, register the model again as a new version.",
    )


def wrong_hash(address: str) -> Exception:
    """The bytes that came are not those that storage has a hash of."""
    from azure.cli.core.azclierror import ValidationError

    return made(
        ValidationError,
        f"{address} was downloaded, but its MD5 is not the one that storage has for it (Content-MD5).",
        "Run the same command again; if it stays so, the file was damaged when it was uploaded: register it again.",
    )


def hostile_name(name: str) -> Exception:
    """A file whose name is no place in a folder."""
    from azure.cli.core.azclierror import ValidationError

    return made(
        ValidationError,
        f"The model has a file called {name!a}: expected a name that stays within the model's folder, without "
        "'..', '//', backslashes and control characters.",
        "Register the model again without that file.",
    )


def _error(status: int, code: str, address: str, origin: str) -> Exception:
    from azure.cli.core.azclierror import (
        AzureResponseError,
        ForbiddenError,
        ResourceNotFoundError,
        ValidationError,
    )

    account = urlsplit(address).netloc.partition(".")[0]
    said = f"{status} {code}".strip()
    if code in _FIREWALL:
        return made(
            ForbiddenError,
            f"The storage account '{account}' does not take requests from this machine ({said}): it has a firewall, or "
            f"a private endpoint only. Asked for: {address}.",
            [
                "Run the command where the account can be reached: in its virtual network, or from an allowed address.",
                f"Or allow this machine: az storage account network-rule add --account-name {account} --ip-address …",
            ],
        )
    if status in (401, 403):
        return made(
            ForbiddenError,
            f"The storage account '{account}' refused {origin} ({said}) for {address}.",
            [
                f"To read it as yourself, you need the role {ROLE}: az role assignment create --role '{ROLE}' "
                f"--assignee … --scope <ID of the account {account}>; it takes minutes to hold.",
                "Or the right to the key that the workspace keeps: "
                "Microsoft.MachineLearningServices/workspaces/datastores/listSecrets/action.",
            ],
        )
    if status == 412:
        return changed(address)
    if status == 404:
        return made(
            ResourceNotFoundError,
            f"There is no {address} ({said}): the model is registered, but its files are not there.",
            "Register the model again.",
        )
    if code == "BlobArchived":
        return made(
            ValidationError,
            f"{address} is in the archive tier, from which nothing can be read.",
            "Bring it back first: az storage blob set-tier --tier Hot, which takes hours.",
        )
    return made(AzureResponseError, f"Storage answered {said} for {address}.", "Run the same command again later.")
