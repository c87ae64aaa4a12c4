"""The marks of pages, as a text that nobody has to understand."""

from __future__ import annotations

import base64

import orjson

from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.store.queries import Mark


def page_text(mark: Mark) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(mark)).decode().rstrip("=")


def parse_page(text: str) -> Mark:
    """The mark that a page ended with; whether it is one of the order asked for, the store sees.

    Raises:
        InvalidRequestError: it is of no page.
    """
    try:
        padded = text.encode() + b"=" * (-len(text) % 4)
        mark = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
        return tuple(mark)
    except (ValueError, TypeError):
        raise InvalidRequestError("page is the `next_page` of the page before") from None
