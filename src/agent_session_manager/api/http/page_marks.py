"""The marks of pages as opaque texts."""

from __future__ import annotations

import base64

import orjson

from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.store.queries import Mark


def page_text(mark: Mark) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(mark)).decode().rstrip("=")


def parse_page(text: str) -> Mark:
    """Return the mark at the end of a page. The store checks that it fits the requested order.

    Raises:
        InvalidRequestError: the text is not a mark of a page.
    """
    try:
        padded = text.encode() + b"=" * (-len(text) % 4)
        mark = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
        return tuple(mark)
    except (ValueError, TypeError):
        raise InvalidRequestError(
            "page is not valid: use the `next_page` of the previous page"
        ) from None
