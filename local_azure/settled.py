"""What stays the same from one run on a state folder to the next."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from local_azure.processes import free_port


@dataclass(frozen=True)
class Settled:
    """IDs, secrets and ports.

    Attributes:
        subscription: GUID.
        tenant: GUID.
        secret: signs tokens; hexadecimal.
        arm: port of ARM, and behind the proxy of everything else that speaks HTTP.
        proxy: port of the proxy.
        identity: port of the managed identity's endpoint.
        identity_header: what that endpoint wants to be told.
    """

    subscription: str
    tenant: str
    secret: str
    arm: int
    proxy: int
    identity: int
    identity_header: str

    @classmethod
    def read(cls, file: Path) -> Settled:
        """Those in a file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return cls(**json.loads(file.read_text("utf-8")))

    @classmethod
    def read_or_make(cls, file: Path) -> Settled:
        """Those in a file, or new ones, which are written to it."""
        if file.exists():
            return cls.read(file)
        made = cls(
            subscription=str(uuid.uuid4()),
            tenant=str(uuid.uuid4()),
            secret=secrets.token_hex(32),
            arm=free_port(),
            proxy=free_port(),
            identity=free_port(),
            identity_header=secrets.token_hex(16),
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            json.dump(dataclasses.asdict(made), opened)
        return made
