import fc from "fast-check";
import { expect, test } from "vitest";
import { type DiffLine, lineDiff } from "../src/text/content/diff";

test("diff shows removed and added lines with three lines of context", () => {
  const before = Array.from({ length: 12 }, (_, line) => `line ${line}`).join("\n");
  expect(lineDiff(before, before.replace("line 9", "line nine"))).toEqual([
    { kind: "skipped", count: 6 },
    { kind: "same", text: "line 6" },
    { kind: "same", text: "line 7" },
    { kind: "same", text: "line 8" },
    { kind: "removed", text: "line 9" },
    { kind: "added", text: "line nine" },
    { kind: "same", text: "line 10" },
    { kind: "same", text: "line 11" },
  ]);
});

test("diff contains every changed line", () => {
  const text = fc
    .array(fc.constantFrom("a", "b", "c", ""), { maxLength: 30 })
    .map((lines) => lines.join("\n"));
  const count = (lines: readonly DiffLine[], kinds: readonly string[]) =>
    lines.reduce(
      (sum, line) => sum + (line.kind === "skipped" ? line.count : kinds.includes(line.kind) ? 1 : 0),
      0,
    );
  const lineCount = (of: string) => (of === "" ? 0 : of.replace(/\n$/, "").split("\n").length);
  fc.assert(
    fc.property(text, text, (before, after) => {
      const lines = lineDiff(before, after);
      expect(count(lines, ["same", "removed"])).toBe(lineCount(before));
      expect(count(lines, ["same", "added"])).toBe(lineCount(after));
    }),
  );
});
