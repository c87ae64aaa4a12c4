"""Sending an alert to its target, within a limited time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from agent_session_manager.alerts import command
from agent_session_manager.alerts.message import body_of
from agent_session_manager.alerts.outcome import Outcome, failure
from agent_session_manager.alerts.target import Target, Webhook
from agent_session_manager.domain.sessions.alert import Alert
from agent_session_manager.machine.clock import Time

WEBHOOK_SECONDS = 10.0
COMMAND_SECONDS = 30.0

T = TypeVar("T")


class Sender:
    """Sends alerts, one attempt each. It is used in one event loop."""

    def __init__(self, manager_url: str, environ: Mapping[str, str], *, time: Time) -> None:
        """`manager_url` is for links, and `environ` the environment of the manager."""
        self._manager_url = manager_url
        self._environment = command.environment_of(environ)
        self._time = time
        self._tls: ssl.SSLContext | None = None

    async def send(self, target: Target, alert: Alert) -> Outcome:
        """Send an alert once, and return the answer of the target."""
        if target.webhook is not None:
            sending, seconds = self._post(target.webhook, alert), WEBHOOK_SECONDS
        else:
            sending, seconds = self._run(target, alert), COMMAND_SECONDS
        outcome = await _within(seconds, sending, self._time)
        return outcome or failure(f"no answer within {seconds:g} s")

    async def _post(self, webhook: Webhook, alert: Alert) -> Outcome:
        # A late import: most managers have no webhook.
        from agent_session_manager.alerts.webhook import post, tls_context

        if self._tls is None:
            try:
                self._tls = await asyncio.to_thread(tls_context)
            except OSError as exc:
                return failure(
                    "the certificates of the environment (SSL_CERT_FILE, SSL_CERT_DIR) cannot be "
                    f"read: {exc.strerror}"
                )
        body = body_of(alert, self._manager_url, webhook.format)
        return await post(webhook, alert.alert_id, body, now=self._time.clock(), tls=self._tls)

    async def _run(self, target: Target, alert: Alert) -> Outcome:
        facts = command.variables_of(alert, self._manager_url)
        body = body_of(alert, self._manager_url)
        return await command.run(target.command, body, {**self._environment, **facts})


async def _within(seconds: float, work: Coroutine[Any, Any, T], time: Time) -> T | None:
    """Return the result of some work; None if it was cancelled because its time was up."""
    working = asyncio.ensure_future(work)
    limit = asyncio.ensure_future(time.sleep(seconds))
    try:
        await asyncio.wait((working, limit), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        limit.cancel()
        await asyncio.wait((working, limit))
