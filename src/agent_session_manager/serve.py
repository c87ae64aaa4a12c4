"""Serving: sockets, discovery file, database, application, and the shutdown."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import uuid4

import uvicorn

import agent_session_manager
from agent_session_manager.alerts.targets_file import TargetsFile
from agent_session_manager.api.app import build_app, guarded
from agent_session_manager.api.guard.redirect_pages import RedirectPages
from agent_session_manager.background.tasks import Upkeep
from agent_session_manager.domain.events.model_request import PriceOf
from agent_session_manager.machine.allocator import return_large_blocks
from agent_session_manager.machine.clock import Time
from agent_session_manager.machine.discovery import (
    Announcement,
    DiscoveryFile,
    ManagerPresentError,
    discovery_path,
    prepare_state_dir,
)
from agent_session_manager.manager.manager import Manager
from agent_session_manager.prices.table import PriceTable
from agent_session_manager.settings import Settings
from agent_session_manager.sql.database.url import sqlite_path
from agent_session_manager.sql.store import open_store
from agent_session_manager.transport.acceptor import Accepting
from agent_session_manager.transport.connection import Protocol
from agent_session_manager.transport.listening import (
    _PORT_TRIES,
    BACKLOG,
    Listening,
    PortInUseError,
    listen,
)
from agent_session_manager.transport.tls import in_url, serve_tls
from agent_session_manager.transport.websocket import (
    MAX_MESSAGE_BYTES,
    PING_SECONDS,
    WebSocketProtocol,
)

logger = logging.getLogger(__name__)

TIME = Time()

SHUTDOWN_SECONDS = 5
KEEP_ALIVE_SECONDS = 75
"""Longer than our clients keep an idle connection, so it is never closed during a request."""
COLLECT_AFTER_ALLOCATIONS = 50_000
HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]
"""Headers of every response, including those that uvicorn generates."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; then finish open requests and return.

    Raises:
        AddressError, DatabaseError, DiscoveryError, PortInUseError, PriceFileError, TlsError: the
            manager cannot start; nothing was changed.
        StoreBrokenError: the disk failed during serving. The process must exit at once: closing the
            database could write data to it that never reached the disk.
    """
    price_of = _prices_of(settings)
    os.umask(0o077)
    prepare_state_dir(settings.state_dir)
    with ExitStack() as stack:
        discovery, listening = take_port(settings)
        stack.callback(discovery.close)
        stack.callback(listening.close)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, discovery, listening, price_of))


def _prices_of(settings: Settings) -> PriceOf:
    """Return the function that has the price of a request.

    It uses the table of the settings, which is read now, or the bundled one, which is read by the
    first request.
    """
    if settings.prices is not None:
        return PriceTable.load(settings.prices).price_of
    return lambda request: PriceTable.load().price_of(request)


async def _serve(
    settings: Settings, discovery: DiscoveryFile, listening: Listening, price_of: PriceOf
) -> None:
    url = settings.resolved_database_url
    backed_up = sqlite_path(url) if settings.backup_every_hours else None
    store = open_store(
        url,
        clock=TIME.clock,
        lease_seconds=settings.lease_seconds,
        monotonic=TIME.monotonic,
        price_of=price_of,
        interests=TargetsFile(settings.state_dir).interests,
    )
    store.share_indexing()
    port = listening.port
    announcement = Announcement(
        url=f"http://127.0.0.1:{port}",
        pid=os.getpid(),
        instance=uuid4().hex,
        version=agent_session_manager.__version__,
        database=store.url,
        token=settings.token or discovery.kept_token,
    )
    redirect_pages = RedirectPages(settings.state_dir, port=port)
    redirect_pages.remove_all()
    async with Manager.open(store, keeps_transcripts=settings.transcripts) as manager:
        upkeep = Upkeep(manager, settings, database=backed_up, url=announcement.url, time=TIME)
        app = guarded(
            build_app(
                manager,
                instance=announcement.instance,
                token=announcement.token,
                redirect_pages=redirect_pages,
            ),
            token=announcement.token if settings.auth else None,
            hosts=[*_own_hosts(port), *settings.allow_hosts],
            origins=settings.allow_origins,
            tls_hosts=_hosts([in_url(settings.bind)], port, 443) if settings.bind else [],
        )
        server = _Server(_config(app))
        server.on_stopping = manager.stop_waiting
        manager.end_on_failure(server.end)
        server.on_listening = lambda: discovery.announce(announcement)
        server.network = listening.network
        server.tls = listening.tls
        logger.info("serving %s from %s", announcement.url, announcement.database)
        if settings.bind:
            logger.warning("serving other machines: https://%s:%d", in_url(settings.bind), port)
        for origin in settings.changeable_origins:
            logger.warning(
                "the allowed origin %s has no TLS, so its page can be changed in transit: "
                "allow an https:// origin instead",
                origin,
            )
        if not settings.auth:
            logger.warning("every program on this machine has access: --auth off requires no token")
        # For the time before uvicorn installs its own handlers. At its end uvicorn raises the
        # signal again; these handlers then have no effect.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.end())
        try:
            async with upkeep.going_on():
                await server.serve(listening.loopback)
        finally:
            redirect_pages.remove_all()
        manager.raise_failure()
    logger.info("stopped")


class _Server(uvicorn.Server):
    """uvicorn's server, with callbacks once it listens and before it shuts down.

    Clients must not find a manager that does not answer yet. Before the shutdown, waiting requests
    are answered: the shutdown waits for all open requests.
    """

    on_listening: Callable[[], None]
    on_stopping: Callable[[], None]
    network: socket.socket | None = None
    """The socket for other machines, which uses `tls`."""
    tls: ssl.SSLContext | None = None

    def end(self) -> None:
        """Stop as soon as possible, also before the start is complete."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        create_protocol = partial(
            Protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for listening in sockets or []:
            accepting = Accepting(listening, create_protocol)
            self.servers.append(accepting)  # type: ignore[arg-type]  # has the methods used
        if self.network is not None and self.tls is not None:
            self.servers.append(await serve_tls(create_protocol, self.network, self.tls))
        _spare_the_collector()
        return_large_blocks()
        self.on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_stopping()
        await super().shutdown(sockets)


def _spare_the_collector() -> None:
    """Exempt the existing objects from garbage collection, and collect new ones less often.

    A request makes thousands of small objects and no cycles. Collecting them took an eighth of the
    time of a large append.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_ALLOCATIONS, 20, 20)


def _config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        lifespan="off",
        http=Protocol,
        ws=WebSocketProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        server_header=False,
        headers=HEADERS,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _loop_factory() -> Any:
    return _config(None).get_loop_factory()


def _own_hosts(port: int) -> list[str]:
    return _hosts(["127.0.0.1", "localhost", "[::1]"], port, 80)


def _hosts(names: list[str], port: int, usual_port: int) -> list[str]:
    """Return the Host headers of requests to these names."""
    with_port = [f"{name}:{port}" for name in names]
    return [*with_port, *names] if port == usual_port else with_port


def take_port(settings: Settings) -> tuple[DiscoveryFile, Listening]:
    """Lock the discovery file of the port, and listen on the port.

    The file comes first. If the file is free but the port is taken, another program has the port.

    Raises:
        ManagerPresentError, PortInUseError: another manager or program has the port.
        AddressError, DiscoveryError, TlsError: an address or a file of ours cannot be used.
    """
    if settings.port:
        discovery = DiscoveryFile(discovery_path(settings.state_dir, settings.port))
        try:
            return discovery, listen(settings)
        except BaseException:
            discovery.close()
            raise
    for _ in range(_PORT_TRIES):
        listening = listen(settings)
        try:
            return DiscoveryFile(discovery_path(settings.state_dir, listening.port)), listening
        except ManagerPresentError:  # another one is about to listen there
            listening.close()
        except BaseException:
            listening.close()
            raise
    raise PortInUseError(settings.port)
