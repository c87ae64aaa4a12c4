"""The routes of transcripts. Entries and summaries pass through as unchanged JSON texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from agent_session_manager.api.guard.run_scopes import Reach, for_runs
from agent_session_manager.api.http.body import (
    MAX_PARTS,
    check_parts,
    read_body,
    refused_as_request,
)
from agent_session_manager.api.http.depends import Served
from agent_session_manager.api.http.errors import RequestError
from agent_session_manager.api.http.off_loop import Pause, in_turn
from agent_session_manager.api.http.responses import answer, refusals
from agent_session_manager.api.wire.common import to_text
from agent_session_manager.api.wire.transcripts import (
    AppendedEntriesAnswer,
    AppendQuery,
    EntriesAnswer,
    EntriesQuery,
    KeyQuery,
    SummariesAnswer,
    SummariesQuery,
    SummaryPutAnswer,
    SummaryQuery,
    TranscriptsAnswer,
    TranscriptsDeletedAnswer,
    TranscriptsQuery,
    transcript_body,
)
from agent_session_manager.domain.errors import InvalidRequestError
from agent_session_manager.domain.raw_json import check_object, decode, split_array, split_lines
from agent_session_manager.domain.transcript import MAX_ENTRIES_PER_APPEND, NewEntry, parse_entry
from agent_session_manager.store.transcripts import (
    AppendTranscript,
    PutTranscriptSummary,
    TranscriptFilter,
)

MAX_APPEND_BYTES = 32 * 1024 * 1024
"""A single line can be large. It is never cut: an agent must read back its exact record."""

MAX_APPEND_PARTS = 500_000
"""Commas and opening brackets outside of strings. The JSON parser cannot pause between two."""
ENTRIES_AT_ONCE = 100

Split = Callable[[str], Iterator[tuple[str, Any]]]

router = APIRouter(tags=["transcripts"])
_split_lines: Split = partial(split_lines, parse=orjson.loads)


def _documented_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "/transcripts/entries",
    status_code=201,
    response_model=AppendedEntriesAnswer,
    responses=refusals(
        *(409, 413, 415, 503, 507),
        codes=(
            *("transcripts_off", "record_behind", "too_many_entries", "invalid_entry"),
            "disk_full",
        ),
    ),
    openapi_extra=_documented_body(
        {"type": "array", "items": {"type": "object"}, "maxItems": MAX_ENTRIES_PER_APPEND}
    ),
)
@for_runs(Reach.OWN_TRANSCRIPT)
async def append_entries(
    request: Request, query: Annotated[AppendQuery, Query()], manager: Served
) -> Response:
    """Append up to 10,000 entries: all or none.

    The body may also be JSON lines, one entry a line, with `Content-Type: application/jsonl`.
    Entries that the transcript already has are skipped. A request with an invalid entry stores
    nothing.
    """
    body = await read_body(request, max_bytes=MAX_APPEND_BYTES)
    split = _split_lines if _is_lines(request) else split_array
    entries = await in_turn(
        request,
        len(body),
        lambda pause: _parse_entries(body, split, batch_id=query.batch_id, pause=pause),
    )
    change = AppendTranscript(key=query.key, entries=entries, known=query.known)
    done = await manager.transcripts.append(change)
    return answer(
        AppendedEntriesAnswer(appended=done.appended, last_position=done.last_position), 201
    )


def _is_lines(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "application/jsonl"


def _parse_entries(
    body: bytes, split: Split, *, batch_id: str | None, pause: Pause | None
) -> list[NewEntry]:
    check_parts(body, MAX_APPEND_PARTS)
    entries: list[NewEntry] = []
    with refused_as_request():
        for index, (line, value) in enumerate(split(decode(body))):
            if pause is not None and index % ENTRIES_AT_ONCE == 0:
                pause()
            if index == MAX_ENTRIES_PER_APPEND:
                raise RequestError(
                    413, "too_many_entries", f"at most {MAX_ENTRIES_PER_APPEND} entries per request"
                )
            entries.append(parse_entry(value, line, index=index, batch_id=batch_id))
    return entries


@router.get(
    "/transcripts/entries",
    response_model=EntriesAnswer,
    responses=refusals(404, codes=("transcript_not_found",)),
)
@for_runs(Reach.OWN_TRANSCRIPT)
async def list_entries(query: Annotated[EntriesQuery, Query()], manager: Served) -> Response:
    """List the entries of a transcript, in order.

    A page ends after `limit` entries, or after about 4 MiB. One entry alone may be larger.
    """
    page = await manager.transcripts.list_entries(query.key, after=query.after, limit=query.limit)
    body = {
        "entries": [orjson.Fragment(line) for line in page.lines],
        "next_after": page.next_after,
    }
    return _json(body)


@router.get("/transcripts", response_model=TranscriptsAnswer, responses=refusals())
@for_runs(Reach.OWN_TRANSCRIPT)
async def list_transcripts(
    query: Annotated[TranscriptsQuery, Query()], manager: Served
) -> Response:
    """List the transcripts under a project key, in the order in which they began."""
    where = TranscriptFilter(
        project_key=query.project_key,
        session_id=query.session_id,
        is_main=query.main,
        subpath=query.subpath,
    )
    page = await manager.transcripts.list(where, limit=query.limit, after=query.page)
    return answer(
        TranscriptsAnswer(
            transcripts=[transcript_body(transcript) for transcript in page.transcripts],
            next_page=_page_text(page.next_page),
        )
    )


@router.delete("/transcripts", response_model=TranscriptsDeletedAnswer, responses=refusals())
async def delete_transcript(query: Annotated[KeyQuery, Query()], manager: Served) -> Response:
    """Delete a transcript; with a main one, also its summary and its subagents' transcripts.

    Deleting a session deletes all its transcripts, under every project key.
    """
    count = await manager.transcripts.delete(query.key)
    return answer(TranscriptsDeletedAnswer(transcripts_count=count))


@router.get("/transcripts/summaries", response_model=SummariesAnswer, responses=refusals())
@for_runs(Reach.OWN_TRANSCRIPT)
async def list_summaries(query: Annotated[SummariesQuery, Query()], manager: Served) -> Response:
    """List the summaries under a project key, in the order in which their transcripts began."""
    where = TranscriptFilter(project_key=query.project_key, session_id=query.session_id)
    page = await manager.transcripts.list_summaries(where, limit=query.limit, after=query.page)
    return _json(
        {
            "summaries": [
                {
                    "session_id": summary.session_id,
                    "version": summary.version,
                    "updated_at": to_text(summary.updated_at),
                    "summary": orjson.Fragment(summary.text),
                }
                for summary in page.summaries
            ],
            "next_page": _page_text(page.next_page),
        }
    )


@router.put(
    "/transcripts/summaries",
    response_model=SummaryPutAnswer,
    responses=refusals(
        *(404, 409, 413, 415, 503, 507),
        codes=("transcripts_off", "transcript_not_found", "version_conflict", "disk_full"),
    ),
    openapi_extra=_documented_body({"type": "object"}),
)
@for_runs(Reach.OWN_TRANSCRIPT)
async def put_summary(
    request: Request, query: Annotated[SummaryQuery, Query()], manager: Served
) -> Response:
    """Replace the summary of a main transcript, if its version is the expected one.

    After 409 `version_conflict`: list the summary, read the entries after its `version`, and try
    again.
    """
    if query.version <= query.expected_version:
        raise InvalidRequestError("version must be greater than expected_version")
    body = await read_body(request)
    text = await in_turn(request, len(body), lambda _pause: _parse_summary(body))
    change = PutTranscriptSummary(
        key=query.key,
        expected_version=query.expected_version,
        version=query.version,
        text=text,
    )
    return answer(SummaryPutAnswer(version=await manager.transcripts.put_summary(change)))


def _parse_summary(body: bytes) -> str:
    check_parts(body, MAX_PARTS)
    with refused_as_request():
        return check_object(decode(body))


def _page_text(mark: int | None) -> str | None:
    return None if mark is None else str(mark)


def _json(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
