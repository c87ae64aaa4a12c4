"""An additional check for the schema fuzzer, which loads this module in its process."""

from __future__ import annotations

from typing import Any

import schemathesis

OPEN = {"GET /health", "POST /dashboard/token"}
REFUSED = {400, 401, 403, 415, 422, 429, 431}


@schemathesis.check
def guard_rejects_requests_without_a_token(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Assert that a request without a token gets no response but the guard's."""
    if case.operation.label not in OPEN:
        assert response.status_code in REFUSED, f"{response.status_code} without a token"
