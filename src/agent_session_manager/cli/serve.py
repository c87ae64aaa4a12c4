"""`serve`: its options, and the errors that keep it from starting."""

from __future__ import annotations

import logging
import os
import sys

import click

from agent_session_manager.cli.options import (
    PROGRAM,
    all_setting_options,
    fail,
    importing,
    settings_from,
)
from agent_session_manager.machine.discovery import DiscoveryError
from agent_shared.log import write_lines_to


@click.command()
@all_setting_options
def serve(**flags: str | tuple[str, ...] | None) -> None:
    """Serve sessions over HTTP, in the foreground.

    The manager ends with Ctrl-C, SIGTERM or `agent-session-manager stop`.

    Exit code 1 if it cannot start, 2 if a setting is not valid.

    \b
    Examples:
      agent-session-manager serve
      agent-session-manager serve --port 9000 --database-url postgresql://localhost/agents
      agent-session-manager serve --import
      agent-session-manager serve --backup-every 24 --archive-after 30 --delete-archived-after 60
    """
    # Imported late: the other commands need no web server and no database toolkit.
    with importing():
        from agent_session_manager.prices.fields import PriceFileError
        from agent_session_manager.serve import serve as run_server
        from agent_session_manager.sql.database.errors import DatabaseError
        from agent_session_manager.store.errors import StoreBrokenError
        from agent_session_manager.transport.listening import AddressError, PortInUseError
        from agent_session_manager.transport.tls import TlsError

    settings = settings_from(**flags)
    write_lines_to(sys.stderr)
    for library in ("alembic", "httpx", "uvicorn"):  # httpx logs URLs, which can be secrets
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        run_server(settings)
    except StoreBrokenError as exc:
        click.echo(f"{PROGRAM}: {exc}; restart it to continue with the data on the disk", err=True)
        sys.stderr.flush()
        os._exit(1)
    except (
        AddressError,
        DatabaseError,
        DiscoveryError,
        PortInUseError,
        PriceFileError,
        TlsError,
    ) as exc:
        fail(str(exc))
