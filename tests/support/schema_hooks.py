"""What the schema fuzzer checks beside its own: loaded by it, in its own process."""

from __future__ import annotations

from typing import Any

import schemathesis

OPEN = {"GET /health", "POST /dashboard/token"}
REFUSED = {400, 401, 403, 415, 422, 429, 431}


@schemathesis.check
def nobody_is_let_in(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Without a token, what the guard says is all that is said."""
    if case.operation.label not in OPEN:
        assert response.status_code in REFUSED, f"{response.status_code} without a token"
