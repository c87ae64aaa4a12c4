"""The differences between agents that speak the same protocol, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase


class MidTurn(StrEnum):
    """Handling of a message that comes while the agent works."""

    JOIN = "join"
    """A second prompt joins the running turn."""
    NEXT_TURN = "next-turn"
    """A second prompt is refused, or cancels the first. So the message waits for the next turn."""


class UsageForm(StrEnum):
    """Place of the tokens in what an agent sends, and their scope."""

    NONE = "none"
    PROCESS_TOTAL = "process-total"
    """In the answer to a prompt: all tokens since the process began."""
    SESSION_TOTAL = "session-total"
    """In the answer to a prompt: all tokens of the conversation."""
    LAST_REQUEST = "last-request"
    """In the answer to a prompt: the tokens of the last model request only."""
    EACH_REQUEST = "each-request"
    """In the `_meta` of an empty text after each model request."""
    TURN_QUOTA = "turn-quota"
    """In the `_meta.quota` of the answer to a prompt: the tokens of this turn."""


class ToolNames(StrEnum):
    """Place of the name of a tool, if `_meta` does not have it."""

    KIND = "kind"
    TITLE = "title"
    """In the first title of a call; later titles describe the call."""
    CALL_ID = "call-id"
    """In the id of the call, before two underscores."""


class Grant(StrEnum):
    """Actions that are allowed without a person, if the agent asks."""

    NOTHING = "nothing"
    EDITS = "edits"
    """Edits of files in the project, except where a name in the path begins with a dot."""
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Values that put the agent into one of our permission modes."""

    mode_id: str | None = None
    """The agent's own mode; None leaves the agent in the mode in which it starts."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Values of other configuration options of the agent."""
    environment: Mapping[str, str] = field(default_factory=dict)
    grant: Grant = Grant.NOTHING
    asks: bool = True
    """False if no person is ever asked in this mode."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One agent. The defaults are those of an agent that nothing is known about."""

    name: str
    agent: str
    """The agent's name for people."""
    command: tuple[str, ...] = ()
    """Program and arguments; empty if the user gives them for each run."""
    how_to_install: str = ""
    how_to_log_in: str = ""
    logins: tuple[str, ...] = ()
    """Traces of a login: names of variables, and files that begin with `~/`. Empty if unknown."""
    modes: Mapping[str, Mode] = field(default_factory=lambda: GENERIC_MODES)
    """By our permission modes; the agent has no others."""
    variables: tuple[str, ...] | None = None
    """Names and patterns (`X_*`) of the variables that it inherits besides the common ones; None
    for the whole environment."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that each run of it sets."""
    mid_turn: MidTurn = MidTurn.NEXT_TURN
    usage: UsageForm = UsageForm.NONE
    is_cached_in_input: bool = False
    """True if its count of input tokens has the cached ones."""
    tool_names: ToolNames = ToolNames.KIND
    has_message_ids: bool = False
    """True if each text of the model has a `messageId`, so a text without one is not an answer."""
    own_words: str | None = None
    """Regular expression for a text that the agent itself says instead of the model."""
    error_words: str | None = None
    """Beginning of a text that is the agent's error if the turn has no `usage`. A turn of such an
    agent without `usage` has failed."""
    continue_with: str = ""
    """Command with which a person continues a conversation, named `{id}`. It is given for an agent
    that loses a conversation that was loaded over the protocol, so it is not resumed."""
    mcp_over_stdio: bool = True
    """False if it ignores MCP servers that it would have to start."""
    mcp_prefers_own: bool = False
    """True if a server of its own configuration counts more than a given one of the same name."""
    mcp_tool_names: str | None = None
    """Form of the names of MCP tools, with `{server}` and `{tool}`. If it asks about a call of one
    of our own tools, the call is allowed."""
    mcp_rules: str | None = None
    """Variable of its modes with a JSON object of rules by names of tools. Our own tools are added
    as allowed, so it does not ask about them."""
    mcp_arguments: tuple[str, ...] = ()
    """Arguments that make it call all tools of `{server}` without asking."""

    def passes(self, variable: str) -> bool:
        """Return whether the agent inherits this variable."""
        if self.variables is None:
            return True
        return any(fnmatchcase(variable, name) for name in (*COMMON_VARIABLES, *self.variables))


COMMON_VARIABLES = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLORTERM", "TZ", "LANG", "LANGUAGE",
    "LC_*", "XDG_*", "TMPDIR", "TMP", "TEMP", "AGENT_ORCHESTRATOR_*",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
)  # fmt: skip
"""Variables that every agent inherits: of the system, of the network, and our own."""

GENERIC_MODES: Mapping[str, Mode] = {
    "default": Mode(),
    "acceptEdits": Mode(grant=Grant.EDITS),
    "dontAsk": Mode(asks=False),
    "bypassPermissions": Mode(grant=Grant.ALL),
}
"""Modes that need no mode of the agent: we answer what it asks."""
