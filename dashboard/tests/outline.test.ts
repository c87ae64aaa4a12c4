import { expect, test } from "vitest";
import { attempts, changedFiles, changesAfter, linesByRow, pathIn } from "../src/state/session/changed-files";
import {
  addOutlinePage,
  emptyOutline,
  everything,
  nearest,
  type Outline,
  outlineLines,
  passing,
  SHOWN,
  ticksOf,
} from "../src/state/session/outline";
import { eventNumber } from "../src/text/address/event-number";
import { patchOf } from "../src/text/content/patch";
import type { OutlineEntry } from "../src/wire";

function entry(seq: number, kind: OutlineEntry["kind"], more: Partial<OutlineEntry> = {}): OutlineEntry {
  return { seq, kind, run: 1, text: null, error: null, call_seq: null, files: [], ...more };
}

function edit(seq: number, path: string, added: number | null, removed: number | null): OutlineEntry {
  return entry(seq, "edit", { call_seq: seq - 1, files: [{ path, added, removed }] });
}

const ENTRIES = [
  entry(1, "prompt", { text: "Fix it" }),
  edit(3, "/p/a", 2, 1),
  edit(5, "/p/a", 1, 0),
  edit(7, "/p/b", 4, null),
  entry(9, "failure", { call_seq: 8, error: "no", files: [{ path: "/p/a", added: 9, removed: 9 }] }),
  entry(11, "denial", { call_seq: 8 }),
  entry(12, "failure", { error: "bad" }),
  entry(13, "run_end", { text: "completed" }),
  entry(14, "prompt", { run: 2 }),
];
const OUTLINE: Outline = {
  entries: ENTRIES,
  messages: [1, 10, 14],
  calls: [2, 4, 6, 8],
  commands: 0,
  lanes: [],
  through: 14,
};

test("pages are joined in their order, each once", () => {
  const page = {
    entries: [entry(1, "prompt")],
    messages: [1],
    calls: [],
    commands: 1,
    lanes: [],
    through: 5,
    has_more: true,
  };
  const once = addOutlinePage(emptyOutline, 0, page);
  expect(addOutlinePage(once, 0, page)).toBe(once);
  const twice = addOutlinePage(once, 5, { ...page, entries: [entry(6, "prompt")], through: 6 });
  expect(twice).toMatchObject({ commands: 2, through: 6, entries: [{ seq: 1 }, { seq: 6 }] });
});

test("lines join the edits of a file, and tell a denied call once", () => {
  const lines = outlineLines(ENTRIES).map(({ entry, seqs, isNewRun }) => [entry.kind, ...seqs, isNewRun]);
  expect(lines).toEqual([
    ["prompt", 1, true],
    ["edit", 2, 4, false],
    ["edit", 6, false],
    ["denial", 8, false],
    ["failure", 12, false],
    ["run_end", 13, false],
    ["prompt", 14, true],
  ]);
});

test("each filter lets its rows pass, and rows that the outline does not know yet", () => {
  const seqs = (shown: (typeof SHOWN)[number]) => {
    const passes = passing(OUTLINE, shown) ?? everything;
    const within = passes.within(1, 15);
    expect(within).toEqual(everything.within(1, 15).filter((seq) => passes.has(seq)));
    return within;
  };
  expect(Object.fromEntries(SHOWN.map((shown) => [shown, seqs(shown)]))).toEqual({
    all: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    talk: [1, 10, 13, 14, 15],
    calls: [2, 4, 6, 8, 13, 15],
    failures: [8, 12, 15],
    edits: [2, 4, 6, 15],
  });
});

test("nearest event is found in both directions", () => {
  expect([nearest([8, 2, 5], 5, 1), nearest([8, 2, 5], 5, -1), nearest([2], 5, 1)]).toEqual([8, 2, null]);
});

test("ticks show the gravest, and neighbours of a kind as one", () => {
  expect(ticksOf(ENTRIES, 100_000)).toEqual([{ from: 0, to: 8, kind: "bad" }]);
  expect(ticksOf(ENTRIES, 14).filter(({ kind }) => kind === "prompt")).toHaveLength(2);
  expect(ticksOf(ENTRIES, 0)).toEqual([]);
  const many = Array.from({ length: 9000 }, (_, at) => edit(at + 1, "/p/a", 1, 0));
  const failed = entry(4500, "failure", { error: "no" });
  expect(ticksOf([...many, failed], 9000)).toEqual([
    { from: 0, to: 496, kind: "edit" },
    { from: 496, to: 504, kind: "bad" },
    { from: 504, to: 1000, kind: "edit" },
  ]);
});

test("files count their edits, and never what failed or was denied", () => {
  const files = changedFiles(ENTRIES).map(({ path, added, removed, isMore, edits }) => [
    ...[path, added, removed, isMore, edits.length],
  ]);
  expect(files).toEqual([
    ["/p/a", 3, 1, false, 2],
    ["/p/b", 4, null, false, 1],
  ]);
  expect(changedFiles([...ENTRIES, edit(20, "/p/b", 1, 1)])[1]).toMatchObject({ removed: 1, isMore: true });
  const denied = { ...(ENTRIES[5] as OutlineEntry), files: ENTRIES[4]?.files ?? [] };
  expect(attempts([...ENTRIES.slice(0, 5), denied]).map(({ seq }) => seq)).toEqual([11]);
  expect([pathIn("/p/", "/p/a"), pathIn("/p", "/pa"), pathIn(null, "/p/a")]).toEqual(["a", "/pa", "/p/a"]);
});

test("lines stand in the row of their call, and none for what failed or says none", () => {
  const silent = edit(20, "/p/n.ipynb", null, null);
  const lines = [...linesByRow([...ENTRIES, silent])].map(([seq, { added, removed }]) => [
    seq,
    added,
    removed,
  ]);
  expect(lines).toEqual([
    [2, 2, 1],
    [4, 1, 0],
    [6, 4, null],
  ]);
});

test("changes since a run are counted only if the page has all of them", () => {
  const entries = [...ENTRIES, { ...edit(16, "/p/a", 5, 0), run: 2 }];
  const page = { entries, messages: [], calls: [], commands: 0, lanes: [], through: 16, has_more: false };
  const all = { files: 2, lines: { added: 12, removed: 1, isMore: true } };
  expect(changesAfter(0, page, 0)).toEqual(all);
  expect(changesAfter(1, page, 9)).toEqual({ files: 1, lines: { added: 5, removed: 0, isMore: false } });
  expect(changesAfter(0, page, 9)).toBeNull();
  expect(changesAfter(0, { ...page, has_more: true }, 0)).toBeNull();
});

test("patch has the edits of a file with their context", () => {
  const before = "1\n2\n3\n4\n5\n";
  expect(patchOf("a", [{ before, after: before.replace("5", "five") }])).toBe(
    "--- a\n+++ a\n@@ -2,4 +2,4 @@\n 2\n 3\n 4\n-5\n+five\n",
  );
  expect(patchOf("a", [{ before, after: before }])).toBe("");
});

test("number of an event differs from words, and must exist", () => {
  expect(eventNumber("41", 999)).toEqual({ kind: "words" });
  expect(eventNumber(":41", 999)).toEqual({ kind: "number", seq: 41 });
  expect(eventNumber(": 3 ", 999)).toEqual({ kind: "number", seq: 3 });
  for (const typed of [":", ":0", ":-3", ":abc", ":1.5", ":1000"]) {
    const text = "Type a number from 1 to 999 after the colon.";
    expect(eventNumber(typed, 999)).toEqual({ kind: "problem", text });
  }
});
