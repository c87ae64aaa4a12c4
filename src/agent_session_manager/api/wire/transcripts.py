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
    """Base of queries: an unknown parameter is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class SessionKeyQuery(_Query):
    project_key: KeyText = Field(description="The agent's name for a directory")
    session_id: SessionId = Field(description="Id of a session, which need not exist")

    @property
    def key(self) -> TranscriptKey:
        return TranscriptKey(project_key=self.project_key, session_id=self.session_id)


class KeyQuery(SessionKeyQuery):
    subpath: KeyText | None = Field(
        default=None,
        description="Names another transcript of the session; omit it for the main one",
    )

    @property
    def key(self) -> TranscriptKey:
        return TranscriptKey(
            project_key=self.project_key, session_id=self.session_id, subpath=self.subpath
        )


class AppendQuery(KeyQuery):
    batch_id: SessionId | None = Field(
        default=None, description="Identifies entries without a `uuid` when they are sent again"
    )
    known: int = Field(
        default=0,
        ge=0,
        le=MAX_NUMBER,
        description="A position; 409 `record_behind` if the transcript ends before it",
    )


class EntriesQuery(KeyQuery):
    after: int = Field(
        default=0, ge=0, le=MAX_NUMBER, description="Only entries after this position"
    )
    limit: int = Field(
        default=MAX_ENTRIES_PER_APPEND,
        ge=1,
        le=MAX_ENTRIES_PER_APPEND,
        description="Size of a page",
    )


class SummariesQuery(_Query):
    project_key: KeyText = Field(description="The agent's name for a directory")
    session_id: SessionId | None = Field(default=None, description="Only of this session")
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE, description="Size of a page")
    page: int = Field(
        default=0, ge=0, le=MAX_NUMBER, description="The `next_page` of the previous page"
    )


class TranscriptsQuery(SummariesQuery):
    main: bool | None = Field(
        default=None, description="`true`: only main ones; `false`: only others"
    )
    subpath: KeyText | None = Field(default=None, description="Only those with this subpath")


class SummaryQuery(SessionKeyQuery):
    expected_version: int = Field(
        ge=0, le=MAX_NUMBER, description="Version of the stored summary, or 0 before the first"
    )
    version: int = Field(ge=1, le=MAX_NUMBER, description="Number of entries in the summary")


class TranscriptBody(BaseModel):
    project_key: str = Field(description="The agent's name for a directory")
    session_id: str = Field(description="Id of its session")
    subpath: str | None = Field(description="Null for the main transcript")
    last_position: int = Field(description="Position of its newest entry")
    updated_at: Moment = Field(description="Time of the last append")


class TranscriptsAnswer(BaseModel):
    transcripts: list[TranscriptBody] = Field(description="In the order in which they began")
    next_page: str | None = Field(
        description="Value of `page` for the next page; null on the last page"
    )


class AppendedEntriesAnswer(BaseModel):
    ok: bool = True
    appended: int = Field(description="Number of new entries")
    last_position: int = Field(description="Position of the newest entry of the transcript")


class EntriesAnswer(BaseModel):
    entries: list[dict[str, Any]] = Field(description="The entries, byte for byte as sent")
    next_after: int | None = Field(
        description="Value of `after` for the next page; null on the last page"
    )


class SummaryBody(BaseModel):
    session_id: str = Field(description="Id of its session")
    version: int = Field(description="Number of entries in the summary")
    updated_at: Moment = Field(
        description="That of the transcript; earlier if the summary lacks entries"
    )
    summary: dict[str, Any] = Field(description="As its client sent it")


class SummariesAnswer(BaseModel):
    summaries: list[SummaryBody] = Field(
        description="In the order in which their transcripts began"
    )
    next_page: str | None = Field(
        description="Value of `page` for the next page; null on the last page"
    )


class SummaryPutAnswer(BaseModel):
    ok: bool = True
    version: int = Field(description="The new version")


class TranscriptsDeletedAnswer(BaseModel):
    ok: bool = True
    transcripts_count: int = Field(description="Number of deleted transcripts")


def transcript_body(transcript: Transcript) -> TranscriptBody:
    return TranscriptBody(
        project_key=transcript.key.project_key,
        session_id=transcript.key.session_id,
        subpath=transcript.key.subpath,
        last_position=transcript.last_position,
        updated_at=transcript.updated_at,
    )
