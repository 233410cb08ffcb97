"""A private certificate authority, and the one certificate that answers for all host names of this Azure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NAMES = (
    "localhost",
    "127.0.0.1",
    "mcr.microsoft.com",
    "appinsights.azureedge.net",
    "graph.microsoft.com",
    "*.azurecr.io",
    "*.azurewebsites.net",
    "*.blob.core.windows.net",
    "*.queue.core.windows.net",
    "*.table.core.windows.net",
    "*.servicebus.windows.net",
    "*.api.azureml.ms",
    "*.experiments.azureml.net",
)
# where a machine keeps whom it trusts; the first that is there. Variables first: that is how a user says so.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
_SYSTEM = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True)
class Certificates:
    """The files of it.

    Attributes:
        chain: the certificate.
        key: its private key; only the user can read it.
        authority: the authority's certificate alone.
        bundle: whom the machine trusts, and this authority.
    """

    chain: Path
    key: Path
    authority: Path
    bundle: Path

    @classmethod
    def in_folder(cls, folder: Path) -> Certificates:
        return cls(folder / "chain.pem", folder / "key.pem", folder / "ca.pem", folder / "bundle.pem")

    def make(self) -> None:
        """Write the files that an earlier run has not left; the bundle is always new."""
        if not (self.chain.exists() and self.key.exists() and self.authority.exists()):
            self._issue()
        trusted = [path.read_bytes() for path in _trusted()[:1]]
        self.bundle.write_bytes(b"\n".join([*trusted, self.authority.read_bytes()]))

    def _issue(self) -> None:
        import trustme

        self.chain.parent.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="local_azure")
        issued = authority.issue_cert(*NAMES, common_name="localhost")
        authority.cert_pem.write_to_path(str(self.authority))
        self.chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        with os.fdopen(os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(issued.private_key_pem.bytes())


def _trusted() -> list[Path]:
    named = [Path(os.environ[name]) for name in _VARIABLES if os.environ.get(name)]
    return [path for path in (*named, *map(Path, _SYSTEM)) if path.is_file()]
