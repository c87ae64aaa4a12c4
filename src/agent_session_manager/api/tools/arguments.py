"""The arguments of the tools, with the texts from which agents learn how to use them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent_session_manager.domain.sessions.session import MAX_NAME_CHARS, MAX_PATH_BYTES, State

MAX_TEXT_CHARS = 1_000_000
MAX_WAITED_FOR = 50
MAX_WAIT_SECONDS = 45.0
DEFAULT_WAIT_SECONDS = 40.0
MAX_LISTED = 100


def _storable(text: str) -> str:
    """Refuse characters that a database cannot store, or that no UTF-8 text has."""
    if "\0" in text:
        raise ValueError("it contains U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not valid Unicode text") from None
    return text


_Text = Annotated[str, AfterValidator(_storable)]
Name = Annotated[_Text, Field(min_length=1, max_length=MAX_NAME_CHARS)]
Session = Annotated[
    _Text, Field(min_length=1, max_length=MAX_NAME_CHARS, description="Id or name of the session")
]
Prompt = Annotated[_Text, Field(min_length=1, max_length=MAX_TEXT_CHARS)]
_NOTIFY = Field(
    default=True,
    description="Whether you get a message once it has ended, unless you have read its result by "
    "then: you need not wait, and may end your turn. Only for sessions that you start yourself.",
)


class Arguments(BaseModel):
    """Base of all arguments: an unknown argument is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class StartArguments(Arguments):
    name: Name = Field(
        description="Name of the new session; unique in its project. Begin it with a word for your "
        "own task, so that it does not collide with the names of others."
    )
    prompt: Prompt = Field(
        description="The whole task. The new agent knows nothing else: say what to do, where, how "
        "to check the result, and what to answer."
    )
    agent: Name | None = Field(default=None, description="Agent definition to use; by default none")
    executor: Name | None = Field(
        default=None,
        description="Kind of the agent, such as `claude` or `codex`; by default that of the agent "
        "definition, else your own kind",
    )
    model: Name | None = Field(
        default=None, description="Model; by default that of the agent definition"
    )
    project_dir: Annotated[_Text, Field(min_length=1, max_length=MAX_PATH_BYTES)] | None = Field(
        default=None,
        description="Directory to work in: your own project (the default) or one inside it",
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=31_536_000)] | None = Field(
        default=None,
        description="Stop the run after this time. Give one: the session does not end with yours.",
    )
    notify: bool = _NOTIFY


class WaitArguments(Arguments):
    sessions: list[Session] = Field(
        min_length=1, max_length=MAX_WAITED_FOR, description="Ids or names of sessions"
    )
    mode: Literal["any", "all"] = Field(
        default="all", description="Return once `any` of them or `all` of them have ended"
    )
    seconds: float = Field(
        default=DEFAULT_WAIT_SECONDS,
        ge=0,
        le=MAX_WAIT_SECONDS,
        description="Longest wait of this call; call again for more",
    )


class ResultArguments(Arguments):
    session: Session
    offset: int = Field(default=0, ge=0, description="Where the text begins: a `next_offset`")


class ListArguments(Arguments):
    state: State | None = Field(default=None, description="Only sessions in this state")
    limit: int = Field(default=50, ge=1, le=MAX_LISTED, description="Most sessions to return")


class EventsArguments(Arguments):
    session: Session
    after_seq: int | None = Field(
        default=None, ge=0, lt=2**63, description="Events after this number; by default the last"
    )
    limit: int = Field(default=50, ge=1, le=MAX_LISTED, description="Most events to return")


class MessageArguments(Arguments):
    session: Session
    text: Prompt = Field(description="The message to the agent")


class ResumeArguments(Arguments):
    session: Session
    text: Prompt = Field(description="The next task; the agent still knows the conversation")
    after_run: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="Number of the run that you saw end. With it a repeated call never starts a "
        "second run.",
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=31_536_000)] | None = Field(
        default=None, description="Stop the run after this time"
    )
    notify: bool = _NOTIFY


class StopArguments(Arguments):
    session: Session
