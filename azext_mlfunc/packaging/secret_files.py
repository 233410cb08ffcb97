"""Files that hold secrets by custom: in an image, whoever may pull it may read them."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from azext_mlfunc.findings import Finding

_SECRETS = (
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.pfx",
    "*.p12",
    "*.publishsettings",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "azureauth.json",
    "local.settings.json",
    "credentials",
    "credentials.json",
    "msal_token_cache.*",
    "kubeconfig",
    ".dockerconfigjson",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
)
_NO_SECRETS = (".env.example", ".env.sample", ".env.template", ".env.dist")


def is_secret(name: str) -> bool:
    """Whether a file of that name usually holds a secret."""
    return name not in _NO_SECRETS and any(fnmatchcase(name, pattern) for pattern in _SECRETS)


def secret_finding(path: Path, remedy: str) -> Finding:
    """What to say of such a file."""
    return Finding(
        path,
        "it looks like a secret, and would be readable by everyone who may pull the image",
        "no secrets in the image",
        remedy,
    )
