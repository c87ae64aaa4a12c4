"""How an answer is put together, and how a route documents its errors."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import BaseModel

_OF_EVERY_ROUTE = (400, 401, 403, 422, 429, 431, 503)


def answer(model: BaseModel, status: int = 200) -> Response:
    return Response(dump(model), status, media_type="application/json")


def dump(model: BaseModel) -> bytes:
    return model.__pydantic_serializer__.to_json(model)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route, all of one shape: its own, and what every route may say.

    Their shape is named and not handed over: the framework would build it for each of them, which
    took a third of the import.
    """
    shape = {"$ref": "#/components/schemas/ErrorAnswer"}
    content = {"application/json": {"schema": shape}}
    return {status: {"content": content} for status in (*_OF_EVERY_ROUTE, *statuses)}
