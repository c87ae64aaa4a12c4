"""Client for the parts of the manager's API that our own commands need beyond the contract.

It adds unique names, runs, lists of events in one request, pages, and transcripts. Errors are those
of `session_client`; their `code` tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from ..session_client import (
    SessionClientError,
    _find_token,
    _is_loopback,
    _path,
    _query,
)
from .answers import is_part, is_usage_report
from .errors import JSON_ONLY
from .filters import Filters, filter_query
from .opened_run import OpenedRun, to_opened_run
from .patient_client import TIMEOUT_SECONDS, PatientClient

MAX_EVENTS_PER_APPEND = 1000
MAX_PAGE = 1000
_HISTORY_COUNTS = ("created", "new_events", "new_requests")

T = TypeVar("T")
Json = dict[str, Any]
Query = Mapping[str, str]
"""Key of a transcript: `project_key`, `session_id`, `subpath`. A main one has no `subpath`."""


def cursor_of(session: Json, seq: int) -> str | None:
    """Return the cursor after `seq` of a session; None if an older manager sends no generation."""
    return f"{session['generation']}:{seq}" if "generation" in session else None


class ManagerClient(PatientClient):
    """A `SessionClient` with more methods. It has the same lifetime and the same errors."""

    def __init__(
        self,
        base_url: str,
        timeout: float = TIMEOUT_SECONDS,
        *,
        run_token: str | None = None,
        is_configured: bool = False,
    ) -> None:
        """Create a client with a run token or an agent token, or with the user's own token.

        `is_configured` means that the user configured this URL. The token of a run is then also
        sent to a local port without a discovery file, as through a tunnel or in a sandbox. It is
        not sent if there was a discovery file at first: then the manager is only down.
        """
        self._connect(base_url, timeout)
        self._run_token = run_token
        is_remote = not _is_loopback(self._url.host)
        self._is_vouched_for = is_remote or (is_configured and _find_token(self._url) is None)

    def _connect(self, base_url: str, timeout: float) -> None:
        super().__init__(base_url, timeout)

    @property
    def is_of_a_run(self) -> bool:
        """True if the client acts for a run, and has only the rights of a run."""
        return self._run_token is not None

    def find_token(self) -> str | None:
        """Return the token of the next request; None while no manager of ours is running."""
        return self._token()

    def _token(self) -> str | None:
        """Return the token for the next request; None if another program may be on our port."""
        if self._run_token is None:
            return super()._token()
        return self._run_token if self._is_vouched_for or _find_token(self._url) else None

    def _get(self, key: str, kind: type[T], method: str, path: str, body: Any = None) -> T:
        """Send a request as the contract does, and check the shape of the returned part."""
        part = super()._get(key, kind, method, path, body)
        if not is_part(key, part):
            raise self._misshapen(method, path)
        return part

    def get_health(self) -> Json:
        """Return the name and the version of the service."""
        return self._request("GET", "/health")

    def create_named_session(
        self,
        session_id: str,
        session_name: str,
        *,
        project_dir: str,
        agent_name: str | None = None,
        executor: str | None = None,
        host: str | None = None,
        spec: Json | None = None,
        holder: str | None = None,
        parent_session_id: str | None = None,
        notify: bool = False,
    ) -> OpenedRun:
        """Create a session whose name is unique in its project.

        Raises:
            SessionClientError: with the code `name_taken`, if another session has the name.
        """
        body = {
            "session_id": session_id,
            "session_name": session_name,
            "project_dir": project_dir,
            "agent_name": agent_name,
            "executor": executor,
            "unique_name": True,
            "host": host,
            "spec": spec,
            "lease": _lease(holder),
            "parent_session_id": parent_session_id,
            # An older manager refuses what it does not know.
            **({"notify": True} if notify else {}),
        }
        return self._open("/sessions", session_id, body)

    def archive_session(self, session_id: str, *, archived: bool = True) -> Json:
        """Archive a session, or take it out of the archive, and return it.

        Raises:
            SessionClientError: with the code `name_taken`, if another session has its name.
        """
        return self._get("session", dict, "PATCH", _path(session_id), {"archived": archived})

    def open_run(
        self,
        session_id: str,
        *,
        run: int | None = None,
        host: str | None = None,
        spec: Json | None = None,
        takeover: bool = False,
        holder: str | None = None,
        **new: bool,
    ) -> OpenedRun:
        """Open the next run. If `run` is given, the next run must have this number.

        `new` are fields that an older manager refuses: `notify`, `take_notices` and `automatic`.

        Raises:
            SessionClientError: with the code `session_running`, if the newest run is open and
                `takeover` is false. With `run_not_next`, if the next run has another number.
        """
        body = {
            "run": run,
            "host": host,
            "spec": spec,
            "takeover": takeover,
            "lease": _lease(holder),
            **{name: True for name, is_set in new.items() if is_set},
        }
        return self._open(_path(session_id) + "/runs", session_id, body)

    def _open(self, path: str, session_id: str, body: Json) -> OpenedRun:
        opened = to_opened_run(
            self._request("POST", path, body), session_id, has_lease=body["lease"] is not None
        )
        if opened is None:
            raise self._misshapen("POST", path)
        return opened

    def get_outlook(self, session_id: str, run: int, *, wait_seconds: float = 0.0) -> Json:
        """Return the outlook of a session: its notices, and how many runs can still write one.

        A wait ends once there is a reason to open the next run, or to wait no longer.
        """
        path = f"{_path(session_id)}/runs/{run}/notices"
        return self._get("notices", dict, "GET", path + _query({"wait": str(wait_seconds)}))

    def revoke_run_tokens(self, session_id: str, run: int) -> None:
        """Revoke the tokens of a run."""
        self._do("DELETE", f"{_path(session_id)}/runs/{run}/token")

    def claim_lease(self, session_id: str, run: int, *, holder: str) -> Json:
        """Renew the lease on a run for another term, or take up a lost run again.

        Raises:
            SessionClientError: with one of `LOST_CODES`, if the run is no longer ours.
        """
        path = f"{_path(session_id)}/runs/{run}/lease"
        return self._get("session", dict, "PUT", path, {"holder": holder})

    def create_request(
        self, session_id: str, run: int, request_id: str, kind: str, payload: Json | None = None
    ) -> Json:
        """Send a request to an open run. Sending it again with the same id has no further effect.

        Raises:
            SessionClientError: with the code `run_finished` or `run_superseded`, if the run has
                ended.
        """
        body = {"request_id": request_id, "kind": kind, "payload": payload or {}}
        return self._get("request", dict, "POST", f"{_path(session_id)}/runs/{run}/requests", body)

    def create_answer(self, session_id: str, run: int, question_id: str, payload: Json) -> Json:
        """Answer an open question with `{"choice": ID}` or `{"answers": {ITEM: [TEXT]}}`.

        Returns the request with the first answer: another `payload` is that of another client.

        Raises:
            SessionClientError: with the code `question_not_found`, `question_closed` (decided, or
                its run has ended), or `invalid_answer` (the question is still open).
        """
        return self.create_request(session_id, run, question_id, "answer", payload)

    def list_questions(self, session_id: str | None = None) -> Iterator[Json]:
        """Yield the open questions of a session, or of all, the longest waiting first."""
        where = {} if session_id is None else {"session_id": session_id}
        return self._iterate("questions", "/questions", where)

    def list_requests(
        self, session_id: str, run: int, *, state: str | None = None, wait_seconds: float = 0.0
    ) -> list[Json]:
        """List the requests to a run. With a wait, return once there is one or the time is up."""
        query = {"wait": str(wait_seconds), **({"state": state} if state else {})}
        path = f"{_path(session_id)}/runs/{run}/requests"
        return self._get("requests", list, "GET", path + _query(query))

    def get_request(
        self, session_id: str, run: int, request_id: str, *, wait_seconds: float = 0.0
    ) -> Json:
        """Get a request. A wait ends when it is settled, its run ends, or the time is up."""
        path = f"{_path(session_id)}/runs/{run}/requests/{request_id}"
        return self._get("request", dict, "GET", path + _query({"wait": str(wait_seconds)}))

    def settle_request(
        self, session_id: str, run: int, request_id: str, *, state: str, detail: str | None = None
    ) -> Json:
        """Set the state of a request."""
        path = f"{_path(session_id)}/runs/{run}/requests/{request_id}"
        return self._get("request", dict, "PUT", path, {"state": state, "detail": detail})

    def list_runs(self, session_id: str) -> list[Json]:
        """List the runs of a session, oldest first, each with the spec that it was started from."""
        return self._get("runs", list, "GET", _path(session_id) + "/runs")

    def find_sessions(
        self, *, limit: int | None = None, **where: str | Sequence[str]
    ) -> Iterator[Json]:
        """Yield the sessions that match all of `where`, newest first, page by page."""
        return self._iterate("sessions", "/sessions", where, limit=limit)

    def _iterate(
        self, key: str, path: str, where: Filters, *, limit: int | None = None
    ) -> Iterator[Json]:
        left = limit
        query: dict[str, str] = {}
        while left is None or left > 0:
            query["limit"] = str(MAX_PAGE if left is None else min(left, MAX_PAGE))
            page = self._request("GET", path + filter_query(where, **query))
            found = page.get(key)
            if not isinstance(found, list) or not is_part(key, found):
                raise self._misshapen("GET", path)
            yield from found
            left = None if left is None else left - len(found)
            if not page.get("next_page"):
                return
            query["page"] = str(page["next_page"])

    def report_usage(self, query: Query) -> Json:
        """Return the `rows`, the `total` and the number of rows `left_out` of a period."""
        report = self._request("GET", "/usage" + _query(query))
        if not is_usage_report(report):
            raise self._misshapen("GET", "/usage")
        return report

    def append_entries(
        self, transcript: Query, lines: Sequence[bytes], *, batch_id: str, known: int = 0
    ) -> Json:
        """Append lines, each a JSON text, to a transcript in one operation.

        Returns the number of new lines (`appended`) and the `last_position`. Lines without a `uuid`
        are not added twice under one `batch_id`. `known` is a position that the transcript has
        reached.

        Raises:
            SessionClientError: with the code `record_behind`, if the transcript has not reached it.
        """
        path = "/transcripts/entries" + _query(
            {**transcript, "batch_id": batch_id, "known": str(known)}
        )
        try:
            answer = self._exchange("POST", path, b"\n".join(lines), "application/jsonl")
        except SessionClientError as exc:
            if exc.code != JSON_ONLY:
                raise
            # A manager of an earlier version takes only an array.
            answer = self._exchange("POST", path, b"[%b]" % b",".join(lines))
        if not isinstance(answer.get("last_position"), int):
            raise self._misshapen("POST", "/transcripts/entries")
        return answer

    def iterate_entries(self, transcript: Query, *, after: int = 0) -> Iterator[list[Json]]:
        """Yield pages of the entries after a position, in order, up to the present end.

        Raises:
            SessionNotFoundError: the transcript does not exist.
        """
        mark: int | None = after
        while mark is not None:
            path = "/transcripts/entries" + _query({**transcript, "after": str(mark)})
            page = self._request("GET", path)
            if not isinstance(page.get("entries"), list):
                raise self._misshapen("GET", "/transcripts/entries")
            yield page["entries"]
            mark = page.get("next_after")

    def list_transcripts(self, where: Query) -> list[Json]:
        """List the transcripts of a project key that match all of `where`."""
        return list(self._iterate("transcripts", "/transcripts", where))

    def list_summaries(self, where: Query) -> list[Json]:
        """List the summaries under a project key that match all of `where`."""
        return list(self._iterate("summaries", "/transcripts/summaries", where))

    def put_summary(
        self, transcript: Query, summary: str, *, expected_version: int, version: int
    ) -> None:
        """Replace the summary of a main transcript with a JSON text made from `version` entries.

        Raises:
            SessionClientError: with the code `version_conflict`, if its version has changed.
        """
        versions = {"expected_version": str(expected_version), "version": str(version)}
        path = "/transcripts/summaries" + _query({**transcript, **versions})
        self._exchange("PUT", path, summary.encode())

    def delete_transcript(self, transcript: Query) -> None:
        """Delete a transcript.

        Deleting a main transcript deletes all transcripts of its session under that project key.
        """
        self._do("DELETE", "/transcripts" + _query(transcript))

    def import_history(self, session_id: str, body: bytes) -> Json:
        """Import a part of a session's history; `body` is the JSON of the request.

        Returns whether the session was `created`, and the numbers of `new_events` and
        `new_requests`.
        """
        path = _path(session_id) + "/history"
        answer = self._exchange("POST", path, body)
        if not all(isinstance(answer.get(name), int) for name in _HISTORY_COUNTS):
            raise self._misshapen("POST", path)
        return answer

    def get_generation(self) -> str:
        """Return the generation of the record; a new or restored database has another one."""
        cursor = self._request("GET", "/sessions?limit=1").get("cursor")
        if not isinstance(cursor, str):
            raise self._misshapen("GET", "/sessions")
        return cursor.rpartition(":")[0]

    def append_events(
        self, session_id: str, events: Sequence[Json], *, known: str | None = None
    ) -> list[int]:
        """Append up to `MAX_EVENTS_PER_APPEND` events in one operation, and return their seqs.

        `known` is a cursor that the session has reached.

        Raises:
            SessionClientError: with the code `record_behind`, if the session has not reached it.
        """
        path = _path(session_id) + "/events" + (_query({"known": known}) if known else "")
        return self._get("seqs", list, "POST", path, list(events))

    def iterate_events(
        self, session_id: str, *, after_seq: int = 0, page_size: int = MAX_PAGE
    ) -> Iterator[Json]:
        """Yield the events after `after_seq` in order, page by page, up to the present end."""
        while True:
            query = {"after_seq": str(after_seq), "limit": str(page_size)}
            page = self._request("GET", _path(session_id) + "/events" + _query(query))
            events = page.get("events")
            if not isinstance(events, list) or not is_part("events", events):
                raise self._misshapen("GET", _path(session_id) + "/events")
            yield from events
            if not page.get("has_more") or not events:
                return
            after_seq = events[-1]["seq"]


def _lease(holder: str | None) -> Json | None:
    return None if holder is None else {"holder": holder}
