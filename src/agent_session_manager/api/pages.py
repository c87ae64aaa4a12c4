"""The marks of pages, as a text that nobody has to understand."""

from __future__ import annotations

import base64
import binascii

import orjson

from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.store.base import Mark, SessionSort
from agent_session_manager.store.listing import mark_kinds


def page_text(mark: Mark) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(mark)).decode().rstrip("=")


def parse_page(text: str, sort: SessionSort) -> Mark:
    """The mark that a page of this order ended with.

    Raises:
        InvalidRequestError: it is of no page, or of one in another order.
    """
    try:
        mark = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
    except (ValueError, binascii.Error):
        mark = None
    kinds = mark_kinds(sort)
    if not isinstance(mark, list) or [type(value) for value in mark] != kinds:
        raise InvalidRequestError("page is the `next_page` of a page in the same order")
    return tuple(mark)
