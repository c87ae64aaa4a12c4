"""The process of one agent: its start, its conversation, and its end."""

from __future__ import annotations

import contextlib
from typing import Any

from ..events.event import Event
from ..events.prepare import create_event
from ..executors.base import Execution, ExecutorError
from ..executors.program.start_program import NotStartedError, start_program
from ..machine.processes import Child
from ..rpc.agent_process import AgentProcess
from ..rpc.json_rpc import PeerGoneError, RpcError
from .mcp_servers import McpServers
from .presets.preset import Mode, Preset
from .questions import CAPABILITIES

Json = dict[str, Any]

VERSION = 1
AUTHENTICATION_REQUIRED = -32000
_CLIENT = {"name": "agent-orchestrator", "version": "1"}


class Connection(AgentProcess):
    """A started agent."""

    def __init__(
        self, child: Child, execution: Execution, preset: Preset, servers: McpServers
    ) -> None:
        super().__init__(child)
        self._execution = execution
        self._preset = preset
        self._servers = servers
        self._capabilities: Json = {}
        self.session_id: str | None = None
        """The agent's id of the conversation."""

    @classmethod
    async def start(
        cls, execution: Execution, preset: Preset, mode: Mode, servers: McpServers
    ) -> Connection:
        """Start the agent in the project.

        Raises:
            ExecutorError: the agent or the project directory is missing.
        """
        command = [*(preset.command or execution.spec.command), *servers.arguments]
        environment = {
            **{name: value for name, value in execution.environment.items() if preset.passes(name)},
            **preset.environment,
            **servers.variables(mode),
        }
        try:
            child = await start_program(command, execution, environment)
        except NotStartedError as exc:
            hint = f" ({preset.how_to_install})" if preset.how_to_install else ""
            raise ExecutorError(f"{preset.agent} did not start: {exc}{hint}") from exc
        return cls(child, execution, preset, servers)

    async def open(self, mode: Mode) -> None:
        """Begin or continue the conversation, in this mode and with the model of the run.

        Raises:
            ExecutorError: the agent refuses it, or has ended.
        """
        name = self._preset.agent
        try:
            await self._initialize(can_ask=mode.asks and self._execution.ask is not None)
            told = await self._open_session()
            await self._set_mode(mode, told)
            await self._set_model(told)
        except RpcError as exc:
            raise ExecutorError(f"{name} did not begin: {self.advice(exc)}") from exc
        except PeerGoneError as exc:
            await self.close()
            why = self.last_lines() or str(exc)
            raise ExecutorError(f"{name} did not start: {why}") from exc

    async def _initialize(self, *, can_ask: bool) -> None:
        told = await self.rpc.request(
            "initialize",
            {
                "protocolVersion": VERSION,
                "clientCapabilities": CAPABILITIES if can_ask else {},
                "clientInfo": _CLIENT,
            },
        )
        told = told if isinstance(told, dict) else {}
        if told.get("protocolVersion") != VERSION:
            raise ExecutorError(
                f"{self._preset.agent} speaks version {told.get('protocolVersion')} of the Agent "
                f"Client Protocol, and this executor version {VERSION}: install another version"
            )
        self._capabilities = _mapping(told.get("agentCapabilities"))

    async def _open_session(self) -> Json:
        """Return what the agent tells about the conversation, its modes for example."""
        continues = self._execution.continues
        servers = self._servers.in_words_of_the_protocol(self._capabilities)
        where: Json = {"cwd": str(self._execution.spec.project_dir), "mcpServers": servers}
        if not continues.resume:
            told = _mapping(await self.rpc.request("session/new", where))
            session_id = told.get("sessionId")
            if not isinstance(session_id, str):
                raise ExecutorError(f"{self._preset.agent} gave its conversation no id")
            self.session_id = session_id
            return told
        self.session_id = continues.conversation_id
        where["sessionId"] = self.session_id
        if _mapping(self._capabilities.get("sessionCapabilities")).get("resume") is not None:
            method = "session/resume"
        elif self._capabilities.get("loadSession"):
            method = "session/load"
        else:
            raise ExecutorError(
                f"{self._preset.agent} cannot continue a conversation: start a new session"
            )
        return _mapping(await self.rpc.request(method, where))

    async def _set_mode(self, mode: Mode, told: Json) -> None:
        if mode.mode_id is not None:
            if mode.mode_id in _ids(_mapping(told.get("modes")).get("availableModes"), "id"):
                await self._request("session/set_mode", {"modeId": mode.mode_id})
            else:
                await self._set_option(told, "mode", mode.mode_id)
        for option, value in mode.options.items():
            await self._set_option(told, option, value)

    async def _set_model(self, told: Json) -> None:
        agent = self._execution.spec.agent
        model = self._execution.spec.model or (agent.model if agent else None)
        if model is None:
            return
        if model in _ids(_mapping(told.get("models")).get("availableModels"), "modelId"):
            await self._request("session/set_model", {"modelId": model})
        else:
            await self._set_option(told, "model", model)

    async def _set_option(self, told: Json, option: str, value: str) -> None:
        """Set a configuration option.

        Raises:
            ExecutorError: the agent does not have the option or the value.
        """
        offered = [
            _ids(each.get("options"), "value")
            for each in _mappings(told.get("configOptions"))
            if each.get("id") == option
        ]
        if not offered or value not in offered[0]:
            known = ", ".join(offered[0]) if offered else ""
            has = f"it has {known}" if known else f"it offers no choice of the {option}"
            raise ExecutorError(f"{self._preset.agent} has no {option} {value!r}: {has}")
        await self._request("session/set_config_option", {"configId": option, "value": value})

    async def _request(self, method: str, params: Json) -> Any:
        return await self.rpc.request(method, {"sessionId": self.session_id, **params})

    async def prompt(self, *texts: str) -> Json:
        """Give the agent a prompt; return its answer at the end of the turn.

        Raises:
            RpcError: the turn has failed.
            PeerGoneError: the agent has ended.
        """
        blocks = [{"type": "text", "text": text} for text in texts]
        return _mapping(await self._request("session/prompt", {"prompt": blocks}))

    async def cancel(self) -> None:
        """Cancel the running turn."""
        with contextlib.suppress(PeerGoneError):
            await self.rpc.notify("session/cancel", {"sessionId": self.session_id})

    def advice(self, error: RpcError) -> str:
        """Return the message of an error, with what the person can do about it."""
        data = error.data if isinstance(error.data, dict) else {}
        details = data.get("details") or data.get("message")
        message = f"{error.message}: {details}" if isinstance(details, str) else error.message
        is_login = error.code == AUTHENTICATION_REQUIRED or "401" in message
        if is_login and self._preset.how_to_log_in:
            return f"{message} ({self._preset.how_to_log_in})"
        return message

    def note_on_servers(self) -> str | None:
        """Return why the agent does not get the orchestrator's tools, or None."""
        return self._servers.note(self._capabilities)

    def notes(self) -> list[Event]:
        """Return an event for stderr, and one for the lines on stdout that are not messages."""
        outputs = (self.stderr, self.rpc.notes)
        return [create_event("diagnostic", **each.fields()) for each in outputs if each.characters]


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _ids(offered: Any, key: str) -> list[str]:
    return [str(each[key]) for each in _mappings(offered) if key in each]
