"""The table of the manager's settings: flags, variables, hand-over and documents come from it.

The manager reads each setting by its kind. A command that starts a manager hands over every
setting but the secret ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PREFIX = "AGENT_ORCHESTRATOR_"
DEFAULT_LEASE_SECONDS = 45.0
"""Three heartbeats: two may be late or lost before the run counts as lost."""
MIN_LEASE_SECONDS = 15.0
"""Three times the timeout of a client, so that a slow request loses no run."""
MIN_TOKEN_CHARS = 32


class Kind(Enum):
    """Form of a value, and its description in documents."""

    DIRECTORY = "a directory"
    FILE = "a file"
    PORT = "0 to 65535; 0 takes a free port"
    TEXT = "a text"
    HOSTS = "comma-separated in the variable, repeatable as a flag"
    ORIGINS = "comma-separated in the variable, repeatable as a flag; `*` is refused"
    ADDRESS = "one IP address of this machine"
    SWITCH = "`on` or `off`"
    AMOUNT = "0 (never), or a number"
    SECONDS = "a number of seconds"
    COUNT = "a whole number"
    TOKEN = f"at least {MIN_TOKEN_CHARS} printable ASCII characters"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row: `name` is the field of `Settings`, and the variable is made from it."""

    name: str
    kind: Kind
    about: str
    default: str = ""
    default_is: str = "none"
    """Words for a default that is empty here and found at run time."""
    flag: str = ""
    """Option of `serve`; empty: there is only the variable."""
    metavar: str | None = None
    """None: the flag takes no value and stands for `sets`."""
    sets: str = ""
    least: float = 0
    most: float = 0

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def is_secret(self) -> bool:
        return self.kind is Kind.TOKEN


SETTINGS = (
    Setting(
        name="state_dir",
        kind=Kind.DIRECTORY,
        flag="--state-dir",
        metavar="DIR",
        default_is="$XDG_STATE_HOME/agent-orchestrator, else ~/.local/state/agent-orchestrator",
        about="Directory of the database, the token and the logs. Only its owner may enter it.",
    ),
    Setting(
        name="port",
        kind=Kind.PORT,
        flag="--port",
        metavar="PORT",
        default="8765",
        about="Port on 127.0.0.1 and, if the machine has it, on ::1.",
    ),
    Setting(
        name="database_url",
        kind=Kind.TEXT,
        flag="--database-url",
        metavar="URL",
        default_is="sqlite:///STATE_DIR/sessions.db",
        about="sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
    ),
    Setting(
        name="allow_hosts",
        kind=Kind.HOSTS,
        flag="--allow-host",
        metavar="HOST:PORT",
        default_is="the names of this machine's loopback",
        about="One more name in the Host header that is accepted, such as the name of a tunnel.",
    ),
    Setting(
        name="auth",
        kind=Kind.SWITCH,
        flag="--auth",
        metavar="on|off",
        default="on",
        about="off: every program on this machine is served without a token.",
    ),
    Setting(
        name="allow_origins",
        kind=Kind.ORIGINS,
        flag="--allow-origin",
        metavar="URL",
        default_is="the manager's own page",
        about="One more origin whose pages are served, such as http://localhost:5173.",
    ),
    Setting(
        name="bind",
        kind=Kind.ADDRESS,
        flag="--bind",
        metavar="ADDRESS",
        about="Address on which other machines are served too, over TLS.",
    ),
    Setting(
        name="tls_certificate",
        kind=Kind.FILE,
        flag="--tls-certificate",
        metavar="FILE",
        about="For --bind: the certificate chain, PEM.",
    ),
    Setting(
        name="tls_key",
        kind=Kind.FILE,
        flag="--tls-key",
        metavar="FILE",
        about="For --bind: the key without a password, PEM, readable by its owner only.",
    ),
    Setting(
        name="allow_network",
        kind=Kind.SWITCH,
        flag="--allow-network",
        sets="on",
        default="off",
        about="For --bind: confirm that other machines are to be served.",
    ),
    Setting(
        name="transcripts",
        kind=Kind.SWITCH,
        flag="--no-transcripts",
        sets="off",
        default="on",
        about="Refuse transcripts. A session then resumes on the machine of its run only.",
    ),
    Setting(
        name="prices",
        kind=Kind.FILE,
        flag="--prices",
        metavar="FILE",
        default_is="the table of this version",
        about="Table of prices of models that replaces the bundled one.",
    ),
    Setting(
        name="import_history",
        kind=Kind.SWITCH,
        flag="--import",
        sets="on",
        default="off",
        about="Import the sessions of agents on this machine, and follow their files: "
        "`ao-import --watch` next to the manager.",
    ),
    Setting(
        name="lease_seconds",
        kind=Kind.SECONDS,
        default=f"{DEFAULT_LEASE_SECONDS:g}",
        least=MIN_LEASE_SECONDS,
        most=86400,
        about="Time without a sign of the supervisor after which a run counts as lost.",
    ),
    Setting(
        name="backup_every_hours",
        kind=Kind.AMOUNT,
        flag="--backup-every",
        metavar="HOURS",
        default="0",
        least=0.01,
        most=24 * 366,
        about="Time between automatic backups of the SQLite database.",
    ),
    Setting(
        name="backups_kept",
        kind=Kind.COUNT,
        flag="--backups-kept",
        metavar="COUNT",
        default="7",
        least=1,
        most=1000,
        about="Number of automatic backups that are kept.",
    ),
    Setting(
        name="archive_after_days",
        kind=Kind.AMOUNT,
        flag="--archive-after",
        metavar="DAYS",
        default="0",
        least=0.01,
        most=366 * 100,
        about="Archive finished sessions after this time without activity.",
    ),
    Setting(
        name="delete_archived_after_days",
        kind=Kind.AMOUNT,
        flag="--delete-archived-after",
        metavar="DAYS",
        default="0",
        least=0.01,
        most=366 * 100,
        about="Delete archived sessions after this time without activity.",
    ),
    Setting(
        name="delete_transcripts_after_days",
        kind=Kind.AMOUNT,
        flag="--delete-transcripts-after",
        metavar="DAYS",
        default="0",
        least=0.01,
        most=366 * 100,
        about="Delete transcripts after this time without a new entry.",
    ),
    Setting(
        name="token",
        kind=Kind.TOKEN,
        default_is="random, made once and kept in the state directory",
        about="Token that opens every route.",
    ),
)
