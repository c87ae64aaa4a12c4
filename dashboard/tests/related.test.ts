import { expect, test } from "vitest";
import { relatedOf } from "../src/state/lists/related";
import type { Session } from "../src/wire";

function session(session_id: string, parent: string | null = null, origin: string | null = null): Session {
  const forked_from = origin === null ? null : { session_id: origin, event_id: null };
  return { session_id, parent_session_id: parent, forked_from } as Session;
}

test("related sessions are found once each, the closest first", () => {
  const one = session("one", "lead", "first");
  const known = [
    session("brother", "lead"),
    session("lead"),
    session("twin", "lead", "first"),
    session("retry", null, "one"),
    session("first"),
    session("son", "one"),
    session("stranger", "boss", "other"),
    one,
  ];
  const found = relatedOf(one, [...known, ...known]).map((each) => [each.session.session_id, each.relation]);
  expect(found).toEqual([
    ["first", "copied session"],
    ["retry", "copy of this session"],
    ["twin", "copy of the same session"],
    ["lead", "parent"],
    ["son", "child"],
    ["brother", "sibling"],
  ]);
  expect(relatedOf(session("alone"), known)).toEqual([]);
});
