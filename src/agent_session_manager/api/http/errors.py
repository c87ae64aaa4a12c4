"""The mapping of errors to HTTP responses."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from agent_session_manager.api.wire.limits import WINDOW_SECONDS
from agent_session_manager.domain import errors

logger = logging.getLogger(__name__)

MAX_PROBLEMS = 10
"""Maximum number of validation errors reported per request."""
RETRY_AFTER_SECONDS = {429: int(WINDOW_SECONDS), 503: 1, 507: 2}

STATUS: dict[type[errors.OrchestratorError], tuple[int, str]] = {
    errors.InvalidRequestError: (422, "invalid_request"),
    errors.InvalidQueryError: (400, "invalid_query"),
    errors.InvalidEventError: (422, "invalid_event"),
    errors.InvalidEntryError: (422, "invalid_entry"),
    errors.SessionNotFoundError: (404, "session_not_found"),
    errors.SessionExistsError: (409, "session_exists"),
    errors.InvalidNameError: (422, "invalid_name"),
    errors.NameTakenError: (409, "name_taken"),
    errors.TooDeepError: (409, "too_many_levels"),
    errors.SessionRunningError: (409, "session_running"),
    errors.RunNotFoundError: (404, "run_not_found"),
    errors.RunSupersededError: (409, "run_superseded"),
    errors.RunNotNextError: (409, "run_not_next"),
    errors.NotAutomaticError: (409, "run_not_automatic"),
    errors.RunFinishedError: (409, "run_finished"),
    errors.RunNotDrivenError: (409, "run_not_driven"),
    errors.LeaseHeldError: (409, "lease_held"),
    errors.RequestNotFoundError: (404, "request_not_found"),
    errors.QuestionNotFoundError: (404, "question_not_found"),
    errors.QuestionClosedError: (409, "question_closed"),
    errors.InvalidAnswerError: (422, "invalid_answer"),
    errors.SessionNotFinishedError: (409, "session_not_finished"),
    errors.NoResultError: (409, "no_result"),
    errors.TranscriptNotFoundError: (404, "transcript_not_found"),
    errors.TranscriptsOffError: (403, "transcripts_off"),
    errors.VersionConflictError: (409, "version_conflict"),
    errors.RecordBehindError: (409, "record_behind"),
    errors.VacuumNotPossibleError: (409, "vacuum_not_possible"),
    errors.CursorUnknownError: (410, "cursor_unknown"),
    errors.CodeNotValidError: (401, "code_not_valid"),
    errors.NotForRunsError: (403, "not_for_runs"),
    errors.NotForPagesError: (403, "not_for_pages"),
    errors.PageTokenNotFoundError: (404, "page_token_not_found"),
    errors.StoreUnavailableError: (503, "store_unavailable"),
    errors.DiskFullError: (507, "disk_full"),
    errors.EventDamagedError: (500, "event_damaged"),
    errors.OverloadedError: (503, "overloaded"),
}

STATUS_OF = {
    **{code: status for status, code in STATUS.values()},
    **dict.fromkeys(("too_many_events", "too_many_entries"), 413),
    "too_many_failures": 429,
}
"""Status of each error code that a route can document as its own."""

Refusal = tuple[int, str, str]
"""Status, code and detail of an error."""


class RequestError(HTTPException):
    """The HTTP request is unusable, independent of its route."""

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code


def error_response(status: int, code: str, detail: str, **facts: str) -> Response:
    body = orjson.dumps({"detail": detail, "code": code, **facts})
    response = Response(body, status, media_type="application/json")
    if status in RETRY_AFTER_SECONDS:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS[status])
    return response


def refusal_of(error: errors.OrchestratorError) -> Refusal:
    status, code = STATUS[type(error)]
    return status, code, str(error)


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(errors.OrchestratorError, _orchestrator_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _our_defect)


async def _orchestrator_error(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, errors.OrchestratorError)
    status, code, detail = refusal_of(exc)
    return error_response(status, code, detail, **exc.facts)


async def _http_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    phrase = HTTPStatus(exc.status_code).phrase.lower().replace(" ", "_")
    code = exc.code if isinstance(exc, RequestError) else phrase
    response = error_response(exc.status_code, code, exc.detail)
    response.headers.update(exc.headers or {})
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(_methods_at(request)))
    return response


def _methods_at(request: Request) -> set[str]:
    """Return all methods of a path; the framework names those of the first route only."""
    path = request.scope["path"]
    routes = iter_route_contexts(request.app.routes)
    return {
        method for route in routes if route.path_regex.match(path) for method in route.methods or ()
    }


async def _validation_error(_request: Request, exc: Exception) -> Response:
    """Report the field and the problem, but never the input: it may be huge, or a secret."""
    assert isinstance(exc, RequestValidationError)
    for error in exc.errors():
        # The validator's error and the framework's frames refer to each other and to the body.
        cause = error.get("ctx", {}).get("error")
        if isinstance(cause, Exception):
            cause.with_traceback(None)
    problems = (f"{_place(error['loc'])}: {error['msg']}" for error in exc.errors()[:MAX_PROBLEMS])
    return error_response(422, "invalid_request", "; ".join(problems))


def _place(location: tuple[int | str, ...]) -> str:
    """Return the path of a field as clients know it; long names from the client are cut."""
    parts = [str(part)[:100] for part in location if part not in ("body", "query", "path")]
    return ".".join(parts) or "body"


async def _our_defect(request: Request, exc: Exception) -> Response:
    # The log gets the traceback, the caller only a short message.
    logger.error("defect while answering %s", request.method, exc_info=exc)
    return error_response(500, "internal_error", "internal error; see the manager's log")
