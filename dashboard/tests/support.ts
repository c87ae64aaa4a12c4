import type { Session, SessionEvent, WireEvent } from "../src/wire";
import { parseEvent } from "../src/wire";

export function aSession(fields: Partial<Session> = {}): Session {
  return {
    session_id: "s1",
    session_name: "count",
    status: "finished",
    state: "finished",
    generation: "aa",
    child_count: 0,
    children_running: 0,
    children_failed: 0,
    children_waiting: 0,
    prompt: null,
    attention: null,
    seen_run: 0,
    outcome: null,
    denied_calls: 0,
    waiting_questions: 0,
    undelivered_notices: 0,
    notices_held: null,
    masked_secrets: 0,
    damaged: false,
    created_at: "2026-01-01T10:00:00Z",
    last_resumed_at: null,
    project_dir: "/home/me/project",
    agent: null,
    agent_name: null,
    executor: "command",
    parent_session_id: null,
    last_seq: 0,
    last_activity_at: "2026-01-01T10:00:00Z",
    archived_at: null,
    usage: {
      input_tokens: 0,
      output_tokens: 0,
      cache_read_tokens: 0,
      cache_creation_tokens: 0,
      cache_creation_1h_tokens: 0,
      reasoning_tokens: 0,
      web_searches: 0,
      cost_microdollars: 0,
      cost_nanodollars: 0,
      unpriced_tokens: 0,
    },
    run: 1,
    started_at: "2026-01-01T10:00:00Z",
    finished_at: "2026-01-01T10:00:01Z",
    exit_code: 0,
    reason: "completed",
    host: "laptop",
    imported: false,
    took_seconds: 1,
    model: null,
    title: null,
    source: null,
    forked_from: null,
    lease: null,
    ...fields,
  };
}

export function anEvent(seq: number, fields: Partial<WireEvent> = {}): SessionEvent {
  return parseEvent({
    event_type: "message",
    run: 1,
    late: false,
    recorded_at: `2026-01-01T10:00:${String(seq % 60).padStart(2, "0")}Z`,
    ...fields,
    seq,
  });
}

export function events(first: number, last: number): SessionEvent[] {
  return Array.from({ length: last - first + 1 }, (_, place) => anEvent(first + place));
}
