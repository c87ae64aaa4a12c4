"""Values that Hypothesis draws for the steps of the record machine."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.store.promises.events import decision, question

IDS = st.sampled_from(["a", "a", "b", "b", "c", "a.1"])
"""Sessions `a` and `b` exist from the start, so most changes of them succeed."""
HOLDERS = st.sampled_from(["h1", "h2"])
MAYBE_HOLDER = st.none() | HOLDERS
NAMES = st.sampled_from(["one", "Two"])
PROJECTS = st.none() | st.sampled_from(["/p", "/q"])
AGENTS = st.none() | st.sampled_from(["x", "y"])
RUNS = st.sampled_from([1, 1, 1, 2, 2, 3, 4])
TEXT = st.sampled_from(["", "text", "mehr 🦾", "All?"])
OPTIONAL = {"event_id": st.sampled_from(["e1", "e2", "e3", "e4"]), "run": RUNS}
BLOCKS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT) | st.just({"type": "other"}),
    max_size=2,
)
QUESTIONS = ["q1", "q2", "q3", "q4"]
ANSWERS = st.sampled_from([{"choice": "yes"}, {"choice": "no"}, {"choice": "yes"}, {"choice": "?"}])
EVENTS = st.one_of(
    st.fixed_dictionaries({"event_type": st.just("some")}, optional=OPTIONAL),
    st.fixed_dictionaries(
        {
            "event_type": st.just("message"),
            "role": st.sampled_from(["assistant", "assistant", "user"]),
            "content": BLOCKS,
        },
        optional={**OPTIONAL, "parent_tool_use_id": st.sampled_from([None, "t"])},
    ),
    st.fixed_dictionaries(
        {
            "event_type": st.just("usage"),
            "usage": st.builds(lambda tokens: {"input_tokens": tokens}, st.integers(0, 9)),
        },
        optional=OPTIONAL,
    ),
    st.fixed_dictionaries(
        {"event_type": st.just("session_stop")},
        optional={
            **OPTIONAL,
            "exit_code": st.none() | st.sampled_from([0, 1]),
            "reason": st.sampled_from(["stopped", "budget", "lost", "completed", "of theirs"]),
        },
    ),
    st.fixed_dictionaries({"event_type": st.just("permission_denied")}, optional=OPTIONAL),
    st.builds(question, st.sampled_from(QUESTIONS)),
    st.builds(lambda name, run: question(name, run=run), st.sampled_from(QUESTIONS), RUNS),
    st.builds(
        lambda name, by: decision(name, by=by),
        st.sampled_from(QUESTIONS),
        st.sampled_from(["person", "policy"]),
    ),
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "session_name": NAMES,
        "project_dir": st.sampled_from(["/p", "/q"]),
        "agent_name": st.sampled_from(["x", "y"]),
        "parent_session_id": IDS,
        "status": st.sampled_from(["running", "finished"]),
        "state": st.sampled_from(["waiting", "running", "finished", "failed", "stopped", "lost"]),
        "archived": st.booleans(),
        "denied": st.booleans(),
        "host": st.just("h"),
        "top_level": st.booleans(),
        "id_prefix": st.sampled_from(["a", "a.", "c"]),
        "text": st.sampled_from(["two", "p", "x"]),
    },
)
