"""Responses of routes, and the documentation of their errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from agent_session_manager.api.http.errors import STATUS_OF
from agent_session_manager.api.wire.common import dump

_OF_EVERY_ROUTE = (400, 401, 403, 422, 429, 431, 503)


class JsonResponse(Response):
    """A response with JSON, whose headers are not built from texts: appends need this."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        assert headers is None
        length = b"%d" % len(self.body)
        self.raw_headers = [(b"content-length", length), (b"content-type", b"application/json")]


def answer(model: BaseModel, status: int = 200) -> Response:
    return Response(dump(model), status, media_type="application/json")


def refusals(*statuses: int, codes: Sequence[str] = ()) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route: those of every route, its own `statuses`, its own `codes`.

    All errors have one shape. It is given by its name and not as a class: the framework would build
    the class again for each error, which took a third of the import.
    """
    shape = {"$ref": "#/components/schemas/ErrorAnswer"}
    content = {"application/json": {"schema": shape}}
    documented: dict[int | str, dict[str, Any]] = {
        status: {"content": content} for status in (*_OF_EVERY_ROUTE, *statuses)
    }
    for code in codes:
        error = documented[STATUS_OF[code]]
        before = f"{error['description']}, " if "description" in error else "Codes: "
        error["description"] = f"{before}`{code}`"
    return documented


NO_SESSION = refusals(404, codes=("session_not_found",))
"""The errors of a route that refuses only a session that does not exist."""
