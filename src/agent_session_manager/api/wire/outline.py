"""The shapes of the outline of a session on the wire."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.domain.events.outline import OutlineKind


class FileChangeBody(BaseModel):
    """A file, with the lines that a call added and removed."""

    model_config = ConfigDict(from_attributes=True)

    path: str = Field(description="As the agent wrote it")
    added: int | None = Field(description="Number of added lines; null if it is not known")
    removed: int | None = Field(description="Number of removed lines; null if it is not known")


class OutlineEntryBody(BaseModel):
    """An event that the outline names."""

    model_config = ConfigDict(from_attributes=True)

    seq: int = Field(description="The event")
    kind: OutlineKind = Field(description="What it is")
    run: int = Field(description="Number of its run")
    text: str | None = Field(description="One line: the prompt, the call, or the reason of the end")
    error: str | None = Field(description="First line of the error")
    call_seq: int | None = Field(description="The event that began its tool call, or null")
    files: list[FileChangeBody] = Field(
        description="The files that an edit changed; also those that a failed or denied call names"
    )


class LaneBody(BaseModel):
    """The events of one subagent, without those of the subagents inside it."""

    model_config = ConfigDict(from_attributes=True)

    run: int = Field(description="Number of the run")
    tool_use_id: str = Field(description="The tool call that started the subagent")
    call_seq: int | None = Field(description="The event that began this call, or null")
    seqs: list[int] = Field(description="`seq` of each of its events among these events")


class OutlineAnswer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    entries: list[OutlineEntryBody] = Field(description="In the order of the events")
    through: int = Field(description="The last event that was read; the next page is after it")
    messages: list[int] = Field(description="`seq` of each message among these events")
    calls: list[int] = Field(description="`seq` of each begin of a tool call among these events")
    commands: int = Field(
        description="Number of calls among these events that run a command, and so can change "
        "files that nothing names"
    )
    lanes: list[LaneBody] = Field(description="The subagents that have events among these events")
    has_more: bool = Field(description="Whether the session has later events")
