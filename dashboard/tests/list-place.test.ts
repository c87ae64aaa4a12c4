import { expect, test } from "vitest";
import { rowAt } from "../src/state/lists/place";

const place = { row: 3, ids: ["d", "e", "f"], offset: 7 };
const left = ["a", "b", "c", "d", "e", "f", "g"];

test("place in a list is found after rows were added, removed or moved", () => {
  const cases: readonly (readonly [string, readonly string[], boolean, number | null])[] = [
    ["unchanged", left, false, 3],
    ["two new rows above", ["y", "z", ...left], false, 5],
    ["one of the rows has moved to the top", ["e", "a", "b", "c", "d", "f", "g"], false, 4],
    ["one of the rows is removed", ["a", "b", "c", "d", "f", "g"], false, 3],
    ["rows above are removed", ["c", "d", "e", "f"], false, 1],
    ["all rows above and the first visible one are removed", ["e", "f"], false, 0],
    ["all rows are removed", ["p", "q", "r", "s", "t", "u"], false, 3],
    ["its page is not loaded", ["a", "b"], true, null],
    ["it has moved to a page that is not loaded", ["1", "2", "3", "4", "5", "6", "7"], true, null],
  ];
  for (const [what, ids, hasMore, row] of cases) expect(rowAt(place, ids, hasMore), what).toBe(row);
});
