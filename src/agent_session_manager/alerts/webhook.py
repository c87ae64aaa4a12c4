"""Delivery to a webhook: one POST request.

Redirects are not followed, and only the beginning of an answer is read. What it repeats of the URL
is left out, because a URL is often a secret. Proxies are those of the environment; a webhook on
this machine is called directly.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from agent_session_manager import __version__
from agent_session_manager.alerts.outcome import MAX_ANSWER_BYTES, Outcome, excerpt, failure
from agent_session_manager.alerts.signature import sign
from agent_session_manager.alerts.target import Webhook
from agent_session_manager.alerts.url_secrets import hide_url

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"agent-session-manager/{__version__}",
}


def tls_context() -> ssl.SSLContext:
    """Return the context of all requests. It takes some time: it reads all certificates."""
    return httpx.create_ssl_context()


def headers_of(webhook: Webhook, alert_id: str, body: bytes, *, now: datetime) -> Mapping[str, str]:
    """Return the headers of a request; they are signed if the webhook has a secret."""
    timestamp = int(now.timestamp())
    if webhook.secret is None:
        return {**_HEADERS, "webhook-id": alert_id, "webhook-timestamp": str(timestamp)}
    return {
        **_HEADERS,
        **sign(webhook.secret, message_id=alert_id, timestamp=timestamp, body=body),
    }


async def post(
    webhook: Webhook, alert_id: str, body: bytes, *, now: datetime, tls: ssl.SSLContext
) -> Outcome:
    """Send a body. The caller limits the time."""
    try:
        client = httpx.AsyncClient(verify=tls, trust_env=not webhook.is_local, timeout=None)
    except (httpx.InvalidURL, ImportError, OSError, ValueError) as exc:
        # The error of an invalid URL quotes it, and it may contain a password.
        is_quoted = isinstance(exc, httpx.InvalidURL)
        why = "one is not a URL" if is_quoted else excerpt(str(exc))
        return failure(
            "the proxy settings of the environment (ALL_PROXY, HTTP_PROXY, HTTPS_PROXY, NO_PROXY) "
            f"cannot be used: {why}"
        )
    try:
        async with (
            client,
            client.stream(
                "POST",
                webhook.url,
                content=body,
                headers=dict(headers_of(webhook, alert_id, body, now=now)),
                follow_redirects=False,
            ) as response,
        ):
            said = bytearray()
            async for chunk in response.aiter_raw(MAX_ANSWER_BYTES):
                said += chunk
                if len(said) >= MAX_ANSWER_BYTES:
                    break
            text = said[:MAX_ANSWER_BYTES].decode("utf-8", "replace")
            return _outcome(response, excerpt(hide_url(text, webhook.url)), now=now)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as exc:
        return failure(excerpt(hide_url(_explained(exc), webhook.url)))


def _explained(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted: {cause.verify_message}; if it is yours, start "
                "the manager with SSL_CERT_FILE, a file with its certificate authority"
            )
        cause = cause.__cause__ or cause.__context__
    return f"{type(error).__name__}: {error}"


def _outcome(response: httpx.Response, said: str, *, now: datetime) -> Outcome:
    answer = f"HTTP {response.status_code} {said}".rstrip()
    if response.is_success:
        return Outcome(answer=answer)
    if response.is_redirect:
        answer = f"HTTP {response.status_code}: redirects are not followed; use the final URL"
    asked_seconds = _asked_seconds(response.headers.get("Retry-After", ""), now=now)
    is_gone = response.status_code == HTTPStatus.GONE
    return failure(answer, asked_seconds=asked_seconds, is_gone=is_gone)


def _asked_seconds(text: str, *, now: datetime) -> float:
    """Return the seconds of a Retry-After header; 0 without a valid one."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
