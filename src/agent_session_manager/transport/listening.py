"""The sockets that the service listens on: loopback, and optionally one for other machines."""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass

from agent_session_manager.settings import Settings
from agent_session_manager.transport.tls import family_of, load_tls

BACKLOG = 1024
SEND_BUFFER_BYTES = 256 * 1024
"""The kernel's buffer for unread response data; by default it may grow to megabytes."""
_PORT_TRIES = 16
_NO_IPV6 = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class PortInUseError(Exception):
    """Another program listens on the port already."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use by another program; choose one with --port")


class AddressError(Exception):
    """The manager cannot listen on the address of `--bind`."""


@dataclass(frozen=True, kw_only=True)
class Listening:
    """The sockets: loopback ones without TLS, and optionally one with TLS."""

    loopback: list[socket.socket]
    network: socket.socket | None = None
    tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        return int(self.loopback[0].getsockname()[1])

    def close(self) -> None:
        for listening in (*self.loopback, self.network):
            if listening is not None:
                listening.close()


def listen(settings: Settings) -> Listening:
    """Listen on loopback and, if the settings name an address, also there on the same port.

    Raises:
        PortInUseError: another program has the port.
        AddressError, TlsError: the manager cannot serve other machines.
    """
    if settings.tls_certificate is None or settings.tls_key is None or not settings.bind:
        return Listening(loopback=listen_on_loopback(settings.port))
    tls = load_tls(settings.tls_certificate, settings.tls_key)
    for _ in range(_PORT_TRIES if settings.port == 0 else 1):
        listening = Listening(loopback=listen_on_loopback(settings.port))
        try:
            network = _listen(family_of(settings.bind), settings.bind, listening.port)
        except PortInUseError:
            listening.close()
        except OSError as exc:
            listening.close()
            raise AddressError(f"cannot serve on {settings.bind}: {exc.strerror}") from exc
        else:
            return Listening(loopback=listening.loopback, network=network, tls=tls)
    raise PortInUseError(settings.port)


def listen_on_loopback(port: int) -> list[socket.socket]:
    """Listen on 127.0.0.1 and, if it exists, on ::1, so that `localhost` is always this manager.

    Port 0 selects a port that is free on both.
    """
    for _ in range(_PORT_TRIES if port == 0 else 1):
        listening = [_listen(socket.AF_INET, "127.0.0.1", port)]
        try:
            bound = listening[0].getsockname()[1]
            listening.append(_listen(socket.AF_INET6, "::1", bound))
        except PortInUseError:
            listening[0].close()
            continue
        except OSError as exc:
            if exc.errno not in _NO_IPV6:
                listening[0].close()
                raise
        return listening
    raise PortInUseError(port)


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except OSError as exc:
        listening.close()
        if exc.errno == errno.EADDRINUSE:
            raise PortInUseError(port) from exc
        raise
    return listening
