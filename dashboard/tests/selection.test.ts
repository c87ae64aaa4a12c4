import { expect, test } from "vitest";
import { forEach } from "../src/state/each";
import {
  ALL_SELECTED,
  countSelected,
  isSelected,
  NONE_SELECTED,
  type Selection,
  toggleRange,
  toggleSelected,
} from "../src/state/lists/selection";

const SHOWN = [..."abcdef"];

function chosen(selection: Selection): string {
  return SHOWN.filter((id) => isSelected(selection, id)).join("");
}

test("rows are selected one by one, as ranges, and all but some", () => {
  const one = toggleSelected(NONE_SELECTED, "b");
  expect(chosen(one)).toBe("b");
  expect(chosen(toggleRange(one, "d", SHOWN))).toBe("bcd");
  expect(chosen(toggleRange(toggleRange(one, "d", SHOWN), "c", SHOWN))).toBe("b");
  expect(chosen(toggleRange(toggleSelected(NONE_SELECTED, "d"), "b", SHOWN))).toBe("bcd");
  expect(chosen(toggleRange(NONE_SELECTED, "d", SHOWN))).toBe("d");
  expect(chosen(toggleSelected(one, "b"))).toBe("");

  const allButB = toggleSelected(ALL_SELECTED, "b");
  expect(chosen(allButB)).toBe("acdef");
  expect(chosen(toggleRange(allButB, "e", SHOWN))).toBe("af");
  expect([countSelected(allButB, 50_002), countSelected(one, 50_002)]).toEqual([50_001, 1]);
});

test("failures do not stop the other actions, a cancel does", async () => {
  const abort = new AbortController();
  const seen: number[] = [];
  const odd = async (number: number) => {
    if (number % 2 === 1) throw new Error(`no ${number}`);
  };
  const outcome = await forEach([0, 1, 2, 3, 4], odd, abort.signal, (count) => seen.push(count));
  expect(outcome).toMatchObject({ done: 3, failed: 2, firstError: new Error("no 1") });
  expect(seen.at(-1)).toBe(5);

  abort.abort();
  const cut = await forEach([...Array(100).keys()], odd, abort.signal, () => undefined);
  expect(cut.done + cut.failed).toBeLessThan(10);
});
