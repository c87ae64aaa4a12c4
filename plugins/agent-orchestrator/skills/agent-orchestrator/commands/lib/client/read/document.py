"""Reading the export of a session, as the manager sends it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from ...session_client import SessionClientError, _path, _query
from ..errors import refusal_of_stream
from ..manager import ManagerClient, Query

SILENCE_SECONDS = 60.0
"""Maximum time between two parts of a document: the manager reads and renders them on the way."""
_NO_ROUTE = "not_found"


def read_document(
    manager: ManagerClient, session_id: str, query: Query, media_type: str
) -> Iterator[bytes]:
    """Yield the parts of the export of a session. It is complete if the iteration ends normally.

    Raises:
        SessionNotFoundError: the session does not exist.
        SessionClientError: the manager refuses the request, or its answer was cut.
    """
    path = f"{_path(session_id)}/export{_query(query)}"
    what = f"GET {manager.base_url}{path}"
    try:
        with manager._http.stream(
            "GET",
            manager.base_url + path,
            headers={"Accept-Encoding": "identity"},
            timeout=httpx.Timeout(manager.timeout, read=SILENCE_SECONDS),
        ) as response:
            _check(what, response, media_type)
            yield from response.iter_bytes()
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, UnicodeError) as exc:
        reason = str(exc) or type(exc).__name__
        raise SessionClientError(f"{what}: {reason}") from exc


def _check(what: str, response: httpx.Response, media_type: str) -> None:
    """Check that the response is a document.

    Raises:
        SessionClientError: it is not, or the manager is older than this route.
    """
    if response.is_success:
        if response.headers.get("content-type", "").partition(";")[0] != media_type:
            raise SessionClientError(f"{what}: an answer of another shape: not a session manager?")
        return
    error = refusal_of_stream(what, response)
    if error.code == _NO_ROUTE:
        raise SessionClientError(
            f"{what}: this manager is older than the command and cannot export a session: restart "
            "it with: agent-session-manager stop",
            error.status_code,
            error.code,
        )
    raise error
