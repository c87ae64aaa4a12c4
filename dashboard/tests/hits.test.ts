import fc from "fast-check";
import { expect, test } from "vitest";
import { groupHits, lagOf, progressOf } from "../src/state/lists/hits";
import { countCopied } from "../src/state/session/copied";
import { dayStart } from "../src/text/address/days";
import { marked } from "../src/text/marked";
import type { Hit } from "../src/wire";

function hit(session_id: string, seq: number): Hit {
  return {
    ...{
      session_id,
      seq,
      session_name: session_id,
      project_dir: null,
      agent: null,
      agent_name: null,
      run: 1,
    },
    ...{ event_type: "message", kind: "message", tool_name: null, has_error: false },
    occurred_at: "2026-01-01T10:00:00Z",
    snippet: { text: "", ranges: [], is_beginning: true, is_end: true },
  };
}

test("hits that follow each other in one session are one group, and none is repeated", () => {
  const pages = [
    { hits: [hit("a", 3), hit("a", 2), hit("b", 9)] },
    { hits: [hit("b", 9), hit("b", 1), hit("a", 1)] },
  ];
  const groups = groupHits(pages);
  expect(groups.map(({ session, hits }) => [session.session_id, hits.map(({ seq }) => seq)])).toEqual([
    ["a", [3, 2]],
    ["b", [9, 1]],
    ["a", [1]],
  ]);
});

test("lag and progress are those of the index and of all pages", () => {
  expect(lagOf({ newest: 12, indexed_through: 10 })).toBe(2);
  expect(lagOf({ newest: 10, indexed_through: 12 })).toBe(0);
  const pages = [
    { considered: 2000, complete: true },
    { considered: 5, complete: false },
  ];
  expect(progressOf(pages, "best")).toEqual({ considered: 2005, isCut: true });
  expect(progressOf(pages, "newest")).toEqual({ considered: 2005, isCut: true });
  expect(progressOf(pages.slice(0, 1), "newest")).toBeNull();
});

test("snippets are cut at code points", () => {
  const ranges = [
    { start: 1, end: 2 },
    { start: 3, end: 5 },
  ];
  const parts = marked({ text: "😀😀a😀😀", ranges });
  expect(parts.map(({ text, isMatch }) => (isMatch ? `[${text}]` : text))).toEqual([
    "😀",
    "[😀]",
    "a",
    "[😀😀]",
  ]);
});

test("number of copied events is found with few questions", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(100_000), fc.nat(), async (count, place) => {
      const copied = place % (count + 1);
      let questions = 0;
      const found = await countCopied(count, async (seq) => {
        questions += 1;
        return seq <= copied;
      });
      expect(found).toBe(copied);
      expect(questions).toBeLessThanOrEqual(17);
    }),
  );
});

test("a day begins and ends at local midnight", () => {
  expect(dayStart("2026-03-01")).toEqual(new Date(2026, 2, 1));
  expect(dayStart("2026-02-28", 1)).toEqual(new Date(2026, 2, 1));
  for (const wrong of ["", "2026-02-30", "2026-13-01", "soon", "2026-1-1"])
    expect(dayStart(wrong)).toBeNull();
});
