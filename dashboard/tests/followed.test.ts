import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addEvents,
  emptyTimeline,
  eventAt,
  forgetFar,
  missingEvents,
  raiseHead,
} from "../src/state/session/events";
import { type Followed, type FollowedAction, follow } from "../src/state/session/followed";
import { anEvent, aSession, events } from "./support";

const loading: Followed = { phase: "loading" };

function play(actions: readonly FollowedAction[], from: Followed = loading): Followed {
  return actions.reduce(follow, from);
}

test("order and repeats of pages and frames do not change the timeline", () => {
  const all = events(1, 60);
  const spans = fc.array(fc.tuple(fc.nat(59), fc.nat(59), fc.boolean()), { maxLength: 12 });
  fc.assert(
    fc.property(spans, fc.infiniteStream(fc.nat()), (cuts, order) => {
      const found: FollowedAction = { kind: "found", session: aSession({ last_seq: 60 }) };
      const actions = cuts.map(([a, b, isLive]): FollowedAction => {
        const part = all.slice(Math.min(a, b), Math.max(a, b) + 1);
        return isLive
          ? { kind: "followed", changes: part.map((event) => ({ kind: "event", event })) }
          : { kind: "page", generation: "aa", events: part };
      });
      const shuffled = [...actions, ...actions]
        .map((action) => ({ action, at: order.next().value ?? 0 }))
        .sort((x, y) => x.at - y.at)
        .map(({ action }) => action);
      const [once, twice] = [play(actions, play([found])), play(shuffled, play([found]))];
      expect(sorted(twice)).toEqual(sorted(once));
    }),
  );

  function sorted(followed: Followed) {
    if (followed.phase !== "present") return followed;
    return [followed.timeline.head, [...followed.timeline.pages].sort(([a], [b]) => a - b)];
  }
});

test("new session with a reused id starts with an empty timeline", () => {
  const before = play([
    { kind: "found", session: aSession({ last_seq: 3 }) },
    { kind: "page", generation: "aa", events: events(1, 3) },
  ]);
  const after = play(
    [
      { kind: "found", session: aSession({ generation: "bb", last_seq: 1 }) },
      { kind: "page", generation: "aa", events: events(1, 3) },
    ],
    before,
  );
  expect(after).toMatchObject({ phase: "present", timeline: { head: 1 } });
  expect(after.phase === "present" && after.timeline.pages.size).toBe(0);
});

test("events update the figures of the session", () => {
  const followed = play([
    { kind: "found", session: aSession({ last_seq: 1 }) },
    { kind: "followed", changes: events(2, 3).map((event) => ({ kind: "event", event })) },
  ]);
  expect(followed).toMatchObject({ session: { last_seq: 3, last_activity_at: "2026-01-01T10:00:03Z" } });
});

test("deleted session stays deleted", () => {
  const gone = play([
    { kind: "found", session: aSession() },
    { kind: "followed", changes: [{ kind: "deleted" }] },
    { kind: "found", session: aSession() },
    { kind: "page", generation: "aa", events: events(1, 2) },
  ]);
  expect(gone).toEqual({ phase: "gone" });
});

test("known events return the same timeline object", () => {
  const timeline = addEvents(emptyTimeline, events(1, 5));
  expect(addEvents(timeline, events(2, 4))).toBe(timeline);
  expect(raiseHead(timeline, 3)).toBe(timeline);
});

test("only missing events are requested, page by page", () => {
  const timeline = addEvents(raiseHead(emptyTimeline, 350), [...events(101, 150), ...events(340, 350)]);
  expect(missingEvents(timeline, [125], 35)).toEqual([
    { after_seq: 89, limit: 11 },
    { after_seq: 150, limit: 50 },
  ]);
  expect(missingEvents(timeline, [345, 999], 5)).toEqual([]);
  expect(missingEvents(timeline, [1], 50)).toEqual([{ after_seq: 0, limit: 100 }]);
  expect(missingEvents(timeline, [210, 1, 290], 0)).toEqual([
    { after_seq: 0, limit: 100 },
    { after_seq: 209, limit: 91 },
  ]);
});

test("distant events are dropped, near ones and the end are kept", () => {
  const call = anEvent(1, { event_type: "pre_tool", tool_use_id: "task" });
  const inner = anEvent(9000, { parent_tool_use_id: "task" });
  const timeline = addEvents(emptyTimeline, [call, ...events(2, 8999), inner, ...events(9001, 12_000)]);
  const kept = forgetFar(timeline, [5000, 9000]);
  expect(kept.head).toBe(12_000);
  expect([1, 3000, 7000, 12_000].every((seq) => eventAt(kept, seq))).toBe(true);
  expect(eventAt(kept, 2000)).toBeUndefined();
  expect(forgetFar(kept, [5000, 9000])).toBe(kept);
});
