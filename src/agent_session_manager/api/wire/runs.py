"""The shapes of runs, their leases and their tokens on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.wire.common import (
    Given,
    LeaseBody,
    LeaseClaimBody,
    Moment,
    Name,
    UsageBody,
)
from agent_session_manager.api.wire.sessions import SessionAnswer, session_body
from agent_session_manager.domain.sessions.notice import Batch, Hold
from agent_session_manager.domain.sessions.run_token import agent_token_of
from agent_session_manager.domain.sessions.session import Reason, Run, Session


class NewRunBody(Given):
    run: int | None = Field(
        default=None,
        description="Number that the run must have: 409 `run_not_next` if another run was opened",
    )
    takeover: bool = Field(
        default=False, description="Close the newest run as `lost` if it is open"
    )
    host: Name | None = Field(default=None, description="Machine on which the run executes")
    spec: dict[str, Any] | None = Field(
        default=None,
        description="Data that is needed to repeat the run; only credentials in it are masked",
    )
    lease: LeaseClaimBody | None = Field(
        default=None,
        description="Lease on the run from its start; the run is lost when the lease expires",
    )

    notify: bool = Field(
        default=False, description="Write a notice for the parent of the session when the run ends"
    )
    take_notices: bool = Field(
        default=False,
        description="Offer the pending notices for the session to the run, which must tell them",
    )
    automatic: bool = Field(
        default=False,
        description="No person asks for the run: 409 `run_not_automatic` if no notice is pending, "
        "or if they are held. It notifies as the run before",
    )


class OutlookBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    newest_run: int = Field(description="Number of the newest run of the session")
    awaited: int = Field(
        description="Number of its children whose open or next run will write a notice"
    )
    undelivered: int = Field(description="Number of notices that its agent does not have yet")
    due: bool = Field(
        validation_alias="is_due", description="True if pending notices can be delivered now"
    )
    held: Hold | None = Field(
        validation_alias="hold",
        description="Why the session does not continue automatically; null if it can",
    )


class OutlookAnswer(BaseModel):
    notices: OutlookBody = Field(description="The outlook")


class BatchBody(BaseModel):
    """Notices for the agent of a run, which the run must tell before its prompt.

    They are delivered once the record has an event with the `batch_id` as its `notice_batch`.
    """

    model_config = ConfigDict(from_attributes=True)

    batch_id: str = Field(description="Their id")
    text: str = Field(description="The text for the agent")


class RunBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    run: int = Field(description="Number of the run: 1, 2, 3 …")
    started_at: Moment = Field(description="Start of the run")
    finished_at: Moment | None = Field(description="End of the run; null while it is open")
    exit_code: int | None = Field(description="Exit code of the run")
    reason: Reason | None = Field(description="End of the run; null while it is open")
    host: str | None = Field(description="Machine on which the run executes")
    imported: bool = Field(
        validation_alias="is_imported",
        description="True if its events were imported, and no client of the manager drove it",
    )
    lease: LeaseBody | None = Field(description="Lease on the run, if a holder has it")
    spec: dict[str, Any] | None = Field(description="Data that is needed to repeat the run")
    usage: UsageBody = Field(description="Tokens and cost of the run")


class RunOpenedAnswer(SessionAnswer):
    """A session with the tokens of its leased run; they are never returned again."""

    run_token: str | None = Field(
        default=None, description="Only with a lease: for the run's supervisor"
    )
    agent_token: str | None = Field(
        default=None, description="Only with a lease: for the run's agent; allows less"
    )
    notices: BatchBody | None = Field(
        default=None, description="Only with `take_notices`, if notices were pending"
    )


class RunsAnswer(BaseModel):
    runs: list[RunBody] = Field(description="Oldest first")


class RunTokenRevokedAnswer(BaseModel):
    ok: bool = True


def run_opened(session: Session, token: str | None, batch: Batch | None = None) -> SessionAnswer:
    """Return the response to an opened run, with its tokens if it has a lease, and its notices."""
    body = session_body(session)
    if token is None and batch is None:
        return SessionAnswer(session=body)
    return RunOpenedAnswer(
        session=body,
        run_token=token,
        agent_token=None if token is None else agent_token_of(token),
        notices=None if batch is None else BatchBody.model_validate(batch),
    )


def holder_of(lease: LeaseClaimBody | None) -> str | None:
    return None if lease is None else lease.holder


def run_body(run: Run) -> RunBody:
    return RunBody.model_validate(run)
