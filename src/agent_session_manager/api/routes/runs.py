"""The routes of runs, their leases, and the requests to them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.guard.run_scopes import Reach, for_pages, for_runs
from agent_session_manager.api.http.body import JsonRoute
from agent_session_manager.api.http.caller import caller_of, page_of
from agent_session_manager.api.http.depends import Id, RequestId, RunNumber, Served
from agent_session_manager.api.http.masker import masked
from agent_session_manager.api.http.responses import NO_SESSION, answer, refusals
from agent_session_manager.api.wire.common import LeaseClaimBody
from agent_session_manager.api.wire.requests import (
    NewRequestBody,
    RequestAnswer,
    RequestBody,
    RequestProgressBody,
    RequestsAnswer,
)
from agent_session_manager.api.wire.runs import (
    NewRunBody,
    OutlookAnswer,
    OutlookBody,
    RunOpenedAnswer,
    RunsAnswer,
    RunTokenRevokedAnswer,
    holder_of,
    run_body,
    run_opened,
)
from agent_session_manager.api.wire.sessions import SessionAnswer, session_body
from agent_session_manager.domain.errors import NotForPagesError, NotForRunsError
from agent_session_manager.domain.sessions.request import OF_OTHERS, RequestKind, RequestState
from agent_session_manager.domain.sessions.request import Request as RunRequest
from agent_session_manager.domain.sessions.run_token import create_run_token, digest_of
from agent_session_manager.store.changes import (
    ClaimLease,
    CreateRequest,
    OpenRun,
    ReleaseLease,
    RevokeRunToken,
    SettleRequest,
)

MAX_WAIT_SECONDS = 25.0
MAX_PAGE_MESSAGE_CHARS = 20_000

_Wait = Annotated[float, Field(ge=0.0, le=MAX_WAIT_SECONDS)]

router = APIRouter(route_class=JsonRoute, tags=["runs"])


@router.post(
    "/sessions/{session_id}/runs",
    status_code=201,
    response_model=RunOpenedAnswer,
    responses=refusals(
        *(404, 409, 413, 415),
        codes=("session_not_found", "session_running", "run_not_next", "run_not_automatic"),
    ),
)
@for_runs(Reach.DESCENDANTS)
async def open_run(request: Request, session_id: Id, body: NewRunBody, manager: Served) -> Response:
    """Open the next run; refused while the newest run is open, unless `takeover` is true.

    If several clients open it at the same time, one of them succeeds. With a `lease` the answer
    also has the tokens of the run, and with `take_notices` the notices that come before its prompt.
    """
    token = None if body.lease is None else create_run_token()
    change = OpenRun(
        session_id=session_id,
        run=body.run,
        takeover=body.takeover,
        host=body.host,
        spec=await masked(request, body.spec),
        holder=holder_of(body.lease),
        token_digest=None if token is None else digest_of(token),
        notify=body.notify,
        takes_notices=body.take_notices,
        is_automatic=body.automatic,
    )
    session = await manager.open_run(change)
    run = session.newest_run.run
    batch = await manager.notices.get_batch(session_id, run) if body.take_notices else None
    return answer(run_opened(session, token, batch), 201)


@router.get("/sessions/{session_id}/runs", response_model=RunsAnswer, responses=NO_SESSION)
@for_runs(Reach.FAMILY)
@for_pages
async def list_runs(session_id: Id, manager: Served) -> Response:
    """List the runs of a session, oldest first, with the `spec` that is needed to repeat each."""
    runs = await manager.list_runs(session_id)
    return answer(RunsAnswer(runs=[run_body(run) for run in runs]))


@router.put(
    "/sessions/{session_id}/runs/{run}/lease",
    response_model=SessionAnswer,
    responses=refusals(
        *(404, 409, 413, 415),
        codes=(
            *("session_not_found", "run_not_found"),
            *("lease_held", "run_finished", "run_superseded"),
        ),
    ),
)
@for_runs(Reach.OWN_RUN)
async def claim_lease(
    session_id: Id, run: RunNumber, body: LeaseClaimBody, manager: Served
) -> Response:
    """Take or renew the lease on the newest run; this also reopens a lost run.

    A lease that no holder has is taken. The holder's own lease is renewed for a full term. A `lost`
    run is opened again for the holder that had it. After any other answer the run does not belong
    to the client: 409 `run_superseded` if there is a newer run, `run_finished` if the run has
    ended, `lease_held` if another holder has the lease.
    """
    change = ClaimLease(session_id=session_id, run=run, holder=body.holder)
    return answer(SessionAnswer(session=session_body(await manager.claim_lease(change))))


class _NoticesQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    wait: _Wait = Field(default=0.0, description="Seconds to wait for a reason to act")


@router.get(
    "/sessions/{session_id}/runs/{run}/notices",
    response_model=OutlookAnswer,
    responses=NO_SESSION,
)
@for_runs(Reach.OWN_RUN)
async def get_outlook(
    session_id: Id, run: RunNumber, query: Annotated[_NoticesQuery, Query()], manager: Served
) -> Response:
    """Get the outlook of a session: its notices, and how many runs can still write one.

    With `wait`, the answer comes as soon as pending notices are due, none can come, they are held,
    there is a newer run, or the time is up.
    """
    outlook = await manager.notices.get_outlook(session_id, run, wait_seconds=query.wait)
    return answer(OutlookAnswer(notices=OutlookBody.model_validate(outlook)))


class _Holder(BaseModel):
    model_config = ConfigDict(extra="forbid")

    holder: str = Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00]*$",
        description="The holder that releases the lease",
    )


@router.delete(
    "/sessions/{session_id}/runs/{run}/lease", response_model=SessionAnswer, responses=NO_SESSION
)
@for_runs(Reach.OWN_RUN)
async def release_lease(
    session_id: Id, run: RunNumber, query: Annotated[_Holder, Query()], manager: Served
) -> Response:
    """Release the lease. The end of the run does this too.

    A lease that the holder no longer has counts as released.
    """
    change = ReleaseLease(session_id=session_id, run=run, holder=query.holder)
    return answer(SessionAnswer(session=session_body(await manager.release_lease(change))))


@router.delete(
    "/sessions/{session_id}/runs/{run}/token",
    response_model=RunTokenRevokedAnswer,
    responses=NO_SESSION,
)
@for_runs(Reach.OWN_RUN)
async def revoke_run_token(session_id: Id, run: RunNumber, manager: Served) -> Response:
    """Revoke the run token and the agent token of a run.

    Supervisors do this when the manager has everything. Tokens that are no longer valid count as
    revoked.
    """
    await manager.revoke_run_token(RevokeRunToken(session_id=session_id, run=run))
    return answer(RunTokenRevokedAnswer())


@router.post(
    "/sessions/{session_id}/runs/{run}/requests",
    status_code=201,
    response_model=RequestAnswer,
    responses=refusals(
        *(404, 409, 413, 415),
        codes=(
            *("session_not_found", "run_not_found"),
            *("run_finished", "run_superseded", "run_not_driven"),
            *("question_not_found", "question_closed", "invalid_answer"),
        ),
    ),
)
@for_runs(Reach.DESCENDANTS)
@for_pages
async def create_request(
    request: Request, session_id: Id, run: RunNumber, body: NewRequestBody, manager: Served
) -> Response:
    """Create a request to an open run: a stop, a message, or the answer to a question.

    An imported run takes none (409 `run_not_driven`): a person works in it, in a program of theirs.

    The `request_id` of an answer is the question's id. An answer that does not fit (422
    `invalid_answer`) leaves the question open. A closed question gets 409 `question_closed`.

    A `request_id` that the run already has returns the existing request, so the first answer to a
    question wins: compare its `payload`. The message of a page has only a `text`, of at most 20,000
    characters. A run may make requests only to the sessions below it, and no answers.
    """
    if page_of(request) is not None and body.kind == RequestKind.MESSAGE:
        _check_message_of_page(body.payload)
    if caller_of(request) is not None and body.kind == RequestKind.ANSWER:
        raise NotForRunsError("only a person answers the questions of an agent")
    change = CreateRequest(session_id=session_id, run=run, **body.model_dump())
    return _answer_request(await manager.create_request(change), 201)


class _RequestsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    state: RequestState | None = Field(default=None, description="Only in this state")
    wait: _Wait = Field(
        default=0.0, description="Seconds to wait for a request if the list is empty"
    )


@router.get(
    "/sessions/{session_id}/runs/{run}/requests",
    response_model=RequestsAnswer,
    responses=NO_SESSION,
)
@for_runs(Reach.OWN_RUN)
async def list_requests(
    session_id: Id, run: RunNumber, query: Annotated[_RequestsQuery, Query()], manager: Served
) -> Response:
    """List the requests to a run, in the order in which they were made.

    With `wait`, the answer comes as soon as there is a request. It has an empty list if the time is
    up or the manager stops.
    """
    found = await manager.list_requests(session_id, run, state=query.state, wait_seconds=query.wait)
    return answer(
        RequestsAnswer(requests=[RequestBody.model_validate(request) for request in found])
    )


class _WaitQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    wait: _Wait = Field(
        default=0.0, description="Seconds to wait until the request is settled or its run has ended"
    )


@router.get(
    "/sessions/{session_id}/runs/{run}/requests/{request_id}",
    response_model=RequestAnswer,
    responses=refusals(404, codes=("session_not_found", "request_not_found")),
)
@for_runs(Reach.OWN_RUN, Reach.DESCENDANTS)
@for_pages
async def get_request(
    request: Request,
    session_id: Id,
    run: RunNumber,
    request_id: RequestId,
    query: Annotated[_WaitQuery, Query()],
    manager: Served,
) -> Response:
    """Get a request.

    With `wait`, the answer comes as soon as the request is settled, its run has ended, or the time
    is up. A page token reads only requests of the kinds that a page may make.
    """
    found = await manager.get_request(session_id, run, request_id, wait_seconds=query.wait)
    if page_of(request) is not None and found.kind not in OF_OTHERS:
        raise NotForPagesError(f"a page token does not allow requests of the kind {found.kind}")
    return _answer_request(found)


@router.put(
    "/sessions/{session_id}/runs/{run}/requests/{request_id}",
    response_model=RequestAnswer,
    responses=refusals(404, 413, 415, codes=("session_not_found", "request_not_found")),
)
@for_runs(Reach.OWN_RUN)
async def settle_request(
    request: Request,
    session_id: Id,
    run: RunNumber,
    request_id: RequestId,
    body: RequestProgressBody,
    manager: Served,
) -> Response:
    """Set the state of a request; a final state does not change."""
    change = SettleRequest(
        session_id=session_id,
        run=run,
        request_id=request_id,
        state=RequestState(body.state),
        detail=await masked(request, body.detail),
    )
    return _answer_request(await manager.settle_request(change))


def _answer_request(found: RunRequest, status: int = 200) -> Response:
    return answer(RequestAnswer(request=RequestBody.model_validate(found)), status)


def _check_message_of_page(payload: dict[str, Any]) -> None:
    """Check that a message of a page is a text that a person can have typed.

    Raises:
        NotForPagesError: it is something else.
    """
    text = payload.get("text")
    is_text = isinstance(text, str) and text.strip() and len(text) <= MAX_PAGE_MESSAGE_CHARS
    if not is_text or payload.keys() != {"text"}:
        raise NotForPagesError(
            "a page token allows only messages that have nothing but a text of 1 to "
            f"{MAX_PAGE_MESSAGE_CHARS:,} characters"
        )
