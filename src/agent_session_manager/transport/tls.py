"""TLS for other machines: one additional address, which accepts TLS only.

Loopback stays without TLS, for this machine only. A connection to the other address reaches the
service only after its TLS handshake, which has a deadline.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
import stat
from collections.abc import Callable
from pathlib import Path

HANDSHAKE_SECONDS = 10.0
_CLOSE_SECONDS = 5.0


class TlsError(Exception):
    """A TLS file cannot be used; the text says which, why, and what to do."""


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET


def in_url(address: str) -> str:
    """Return the address as it is written in a URL or a Host header."""
    return f"[{address}]" if ":" in address else address


def load_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Load the TLS context of the server.

    Raises:
        TlsError: a file cannot be used, or the key is not private.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    descriptor = _open_key(key)
    try:
        # Load the file that was checked, even if its name now refers to another file. A key with
        # a password cannot be used: the manager cannot ask for the password.
        context.load_cert_chain(certificate, f"/dev/fd/{descriptor}", password="")
    except OSError as exc:  # SSLError is a subclass of OSError
        if isinstance(exc, ssl.SSLError):
            raise TlsError(
                f"{certificate} and {key} cannot be used together: use PEM files with a "
                f"certificate chain and its key without a password ({exc.reason or exc})"
            ) from exc
        raise TlsError(f"cannot read {certificate}: {exc.strerror}") from exc
    finally:
        os.close(descriptor)
    return context


def _open_key(key: Path) -> int:
    """Open the key for reading. It may be a link: tools that renew certificates create links."""
    try:
        descriptor = os.open(key, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        raise TlsError(f"cannot read {key}: {exc.strerror}") from exc
    status = os.fstat(descriptor)
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = f"{key} is not a file"
    elif status.st_uid != os.geteuid():
        problem = f"{key} is not yours: it must belong to the user who runs the manager"
    elif status.st_mode & 0o077:
        problem = f"{key} is open to others: chmod 600 {key}"
    if problem is not None:
        os.close(descriptor)
        raise TlsError(problem)
    return descriptor


async def serve_tls(
    create_protocol: Callable[[], asyncio.Protocol], listening: socket.socket, tls: ssl.SSLContext
) -> asyncio.Server:
    """Accept TLS connections on a listening socket; abort those without a handshake in time."""
    return await asyncio.get_running_loop().create_server(
        create_protocol,
        sock=listening,
        ssl=tls,
        ssl_handshake_timeout=HANDSHAKE_SECONDS,
        ssl_shutdown_timeout=_CLOSE_SECONDS,
    )
