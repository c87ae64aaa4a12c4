"""Attention, the field that says what a session expects of a person, over HTTP."""

from __future__ import annotations

from tests.support.api import Api


def listed(api: Api, *kinds: str) -> list[str]:
    query = "&".join(f"attention={kind}" for kind in kinds)
    return [session["session_id"] for session in api.get(f"/sessions?{query}").json["sessions"]]


def test_list_is_filtered_by_attention(api: Api) -> None:
    for session_id, end in (("ended", 0), ("failed", 1), ("seen", 1), ("running", None)):
        api.post("/sessions", {"session_id": session_id, "session_name": session_id})
        if end is not None:
            stop = {"event_type": "session_stop", "exit_code": end, "error": "no login"}
            api.post(f"/sessions/{session_id}/events", stop)
    seen = api.patch("/sessions/seen", {"seen_run": 1}).json["session"]
    assert (seen["attention"], seen["seen_run"]) == (None, 1)
    assert listed(api, "any") == ["failed", "ended"]
    assert listed(api, "done", "asks") == ["ended"]
    (failed,) = api.get("/sessions?attention=failed").json["sessions"]
    assert failed["outcome"] == "no login"
    assert failed["attention"] == {
        "kind": "failed",
        "since": failed["finished_at"],
        "text": "no login",
        "seq": 1,
    }
    assert api.get("/sessions?attention=urgent").refusal == (422, "invalid_request")
    assert api.patch("/sessions/seen", {"seen_run": 2}).refusal == (404, "run_not_found")
