"""`serve`: its options, and what keeps it from starting."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import click

from agent_session_manager.cli.options import (
    PROGRAM,
    database_option,
    fail,
    importing,
    keeping_options,
    port_option,
    settings_from,
    state_dir_option,
)
from agent_session_manager.machine.discovery import DiscoveryError
from agent_shared.log import write_lines_to


@click.command()
@port_option
@state_dir_option
@database_option
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="HOST:PORT", help="For a tunnel's name."
)
@click.option(
    "--auth",
    type=click.Choice(["on", "off"]),
    help="off: let everybody on this machine in, without a token. Default: on.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="URL",
    help="Let pages of this origin in, such as http://localhost:5173.",
)
@click.option("--bind", metavar="ADDRESS", help="Serve other machines too, on this address.")
@click.option("--tls-certificate", metavar="FILE", help="For --bind: the certificate chain, PEM.")
@click.option("--tls-key", metavar="FILE", help="For --bind: its key, PEM, readable by you alone.")
@click.option("--allow-network", is_flag=True, help="For --bind: yes, it is meant.")
@click.option(
    "--no-transcripts",
    is_flag=True,
    help="Keep no agent's own record: resume is exact on the machine of the run only.",
)
@keeping_options
def serve(  # noqa: PLR0913  # a parameter for each option
    port: int | None,
    state_dir: str | None,
    database_url: str | None,
    allow_hosts: tuple[str, ...],
    auth: str | None,
    allow_origins: tuple[str, ...],
    no_transcripts: bool,
    **others: Any,
) -> None:
    """Serve in the foreground until Ctrl-C or `agent-session-manager stop`.

    \b
    Examples:
      agent-session-manager serve
      agent-session-manager serve --port 9000 --database-url postgresql://localhost/agents
      agent-session-manager serve --backup-every 24 --archive-after 30 --delete-archived-after 60
    """
    # Late: the other commands answer without loading a web server and a database toolkit.
    with importing():
        from agent_session_manager.serve import serve as run_server
        from agent_session_manager.sql.database.errors import DatabaseError
        from agent_session_manager.store.errors import StoreBrokenError
        from agent_session_manager.transport.listening import AddressError, PortInUseError
        from agent_session_manager.transport.tls import TlsError

    settings = settings_from(
        port=port,
        state_dir=state_dir,
        database_url=database_url,
        allow_hosts=allow_hosts,
        auth=auth,
        allow_origins=allow_origins,
        transcripts="off" if no_transcripts else None,
        **others,
    )
    write_lines_to(sys.stderr)
    for library in ("alembic", "uvicorn"):
        logging.getLogger(library).setLevel(logging.WARNING)
    try:
        run_server(settings)
    except StoreBrokenError as exc:
        click.echo(f"{PROGRAM}: {exc}; start it again: it takes up what is on the disk", err=True)
        sys.stderr.flush()
        os._exit(1)
    except (AddressError, DatabaseError, DiscoveryError, PortInUseError, TlsError) as exc:
        fail(str(exc))
