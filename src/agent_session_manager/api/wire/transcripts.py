"""The shapes of transcripts on the wire. A transcript is named in the query, never in the path."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from agent_session_manager.api.wire.common import Moment, SessionId
from agent_session_manager.api.wire.limits import MAX_NUMBER, MAX_PAGE
from agent_session_manager.domain.transcript import (
    MAX_ENTRIES_PER_APPEND,
    MAX_KEY_BYTES,
    Transcript,
    TranscriptKey,
)


def _fits_an_index(text: str) -> str:
    if len(text.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"at most {MAX_KEY_BYTES} bytes")
    return text


KeyText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_KEY_BYTES, pattern=r"^[^\x00]*$"),
    AfterValidator(_fits_an_index),
]


class _Query(BaseModel):
    """An unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class SessionKeyQuery(_Query):
    project_key: KeyText = Field(description="Any text; the agent's name for a directory")
    session_id: SessionId

    @property
    def key(self) -> TranscriptKey:
        return TranscriptKey(project_key=self.project_key, session_id=self.session_id)


class KeyQuery(SessionKeyQuery):
    subpath: KeyText | None = Field(
        default=None, description="Names the transcript of a subagent; without it the main one"
    )

    @property
    def key(self) -> TranscriptKey:
        return TranscriptKey(
            project_key=self.project_key, session_id=self.session_id, subpath=self.subpath
        )


class AppendQuery(KeyQuery):
    batch_id: SessionId | None = Field(
        default=None, description="By which entries without a `uuid` are known when sent again"
    )
    known: int = Field(
        default=0,
        ge=0,
        le=MAX_NUMBER,
        description="A position: 409 `record_behind` where the transcript does not reach that far",
    )


class EntriesQuery(KeyQuery):
    after: int = Field(default=0, ge=0, le=MAX_NUMBER)
    limit: int = Field(default=MAX_ENTRIES_PER_APPEND, ge=1, le=MAX_ENTRIES_PER_APPEND)


class SummariesQuery(_Query):
    project_key: KeyText
    session_id: SessionId | None = None
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)
    page: int = Field(default=0, ge=0, le=MAX_NUMBER)


class TranscriptsQuery(SummariesQuery):
    main: bool | None = Field(default=None, description="Only main transcripts, or only others")


class SummaryQuery(SessionKeyQuery):
    expected_version: int = Field(ge=0, le=MAX_NUMBER)
    version: int = Field(ge=1, le=MAX_NUMBER, description="How many entries are in the summary")


class TranscriptBody(BaseModel):
    project_key: str
    session_id: str
    subpath: str | None
    last_position: int
    updated_at: Moment


class TranscriptsAnswer(BaseModel):
    transcripts: list[TranscriptBody]
    next_page: str | None


class AppendedEntriesAnswer(BaseModel):
    ok: bool = True
    appended: int = Field(description="How many of the entries were new")
    last_position: int


class EntriesAnswer(BaseModel):
    entries: list[dict[str, Any]]
    next_after: int | None = Field(description="Give it as `after` for the next ones")


class SummaryBody(BaseModel):
    session_id: str
    version: int
    updated_at: Moment
    summary: dict[str, Any]


class SummariesAnswer(BaseModel):
    summaries: list[SummaryBody]
    next_page: str | None


class SummaryPutAnswer(BaseModel):
    ok: bool = True
    version: int


class TranscriptsDeletedAnswer(BaseModel):
    ok: bool = True
    transcripts_count: int


def transcript_body(transcript: Transcript) -> TranscriptBody:
    return TranscriptBody(
        project_key=transcript.key.project_key,
        session_id=transcript.key.session_id,
        subpath=transcript.key.subpath,
        last_position=transcript.last_position,
        updated_at=transcript.updated_at,
    )
