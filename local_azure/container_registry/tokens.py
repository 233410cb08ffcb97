"""The two tokens of a registry: a refresh token says who somebody is, an access token what may be done.

Claims and lifetimes: recorded, test_container_registry_client…test_get_repository_properties.json (refresh 3 hours,
access 1 hour, anonymous 5 minutes, all dated 15 minutes back); documented, AAD-OAuth.md. Azure signs with RS256.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable
from typing import Any

import jwt

from local_azure.container_registry.access import Access, of_claim

REFRESH_LIFE, ACCESS_LIFE, ANONYMOUS_LIFE = 3 * 3600, 3600, 300
"""How long tokens are good, in seconds."""
_BACKDATED = 15 * 60
_ISSUER = "Azure Container Registry"
_ALGORITHM = "HS256"


class TokenRefused(Exception):
    """A token that is over, or somebody else's, or no token."""


class Tokens:
    """Makes and reads the tokens of all registries.

    Args:
        secret: signs them, together with the name of what they are for: no other token signed with it passes here.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(b"container registry" + secret).digest()

    def refresh(self, registry: str, principal: str, lifetime: int = REFRESH_LIFE) -> str:
        """A refresh token.

        Args:
            registry: the one registry where it is good.
            principal: object ID of whom it stands for.
            lifetime: in seconds.
        """
        return self._sign(registry, principal, "refresh_token", lifetime, {})

    def access(self, registry: str, subject: str, granted: Iterable[Access], lifetime: int = ACCESS_LIFE) -> str:
        """An access token.

        Args:
            registry: the one registry where it is good.
            subject: whom it was given to.
            granted: what it allows.
            lifetime: in seconds.
        """
        claims = {"access": [each.claim() for each in granted]}
        return self._sign(registry, subject, "access_token", lifetime, claims)

    def principal(self, registry: str, refresh_token: str) -> str:
        """Whom a refresh token stands for.

        Raises:
            TokenRefused: it is no good.
        """
        return str(self._read(registry, refresh_token, "refresh_token")["sub"])

    def granted(self, registry: str, access_token: str) -> tuple[Access, ...]:
        """What an access token allows.

        Raises:
            TokenRefused: it is no good.
        """
        return tuple(map(of_claim, self._read(registry, access_token, "access_token")["access"]))

    def _sign(self, registry: str, subject: str, kind: str, lifetime: int, more: dict[str, Any]) -> str:
        now = int(time.time())
        claims = {
            "jti": str(uuid.uuid4()),
            "sub": subject,
            "nbf": now - _BACKDATED,
            "exp": now + lifetime,
            "iat": now - _BACKDATED,
            "iss": _ISSUER,
            "aud": _audience(registry),
            "version": "1.0",
            "grant_type": kind,
            "roles": [],
            **more,
        }
        return jwt.encode(claims, self._key, _ALGORITHM)

    def _read(self, registry: str, token: str, kind: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, [_ALGORITHM], audience=_audience(registry), issuer=_ISSUER
            )
        except jwt.InvalidTokenError as problem:
            raise TokenRefused(str(problem)) from None
        if claims.get("grant_type") != kind:
            raise TokenRefused(f"it is no {kind}")
        return claims


def _audience(registry: str) -> str:
    return f"{registry.lower()}.azurecr.io"
