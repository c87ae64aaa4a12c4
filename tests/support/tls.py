"""Certificates for one test: a private certificate authority and a manager's certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme

ADDRESS = "127.0.0.2"
"""A network address to the manager (not 127.0.0.1 or ::1) that other machines cannot reach."""


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files; the key's file is private."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def arguments(self) -> list[str]:
        """Return the arguments with which `serve` uses them for other machines."""
        files = ["--tls-certificate", str(self.certificate), "--tls-key", str(self.key)]
        return ["--bind", ADDRESS, *files, "--allow-network"]


def make_certificates(directory: Path, *names: str) -> Certificates:
    directory.mkdir(parents=True, exist_ok=True)
    made = Certificates(*(directory / name for name in ("ca.pem", "chain.pem", "key.pem")))
    authority = trustme.CA()
    issued = authority.issue_cert(*(names or (ADDRESS, "manager.test")))
    authority.cert_pem.write_to_path(made.authority)
    made.key.touch(0o600)
    issued.private_key_pem.write_to_path(made.key)
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(made.certificate, append=number > 0)
    return made
