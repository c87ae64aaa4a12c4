import { expect, test } from "vitest";

test("no test is given up before it hangs", ({ task }) => {
  expect(task.timeout).toBeGreaterThanOrEqual(600_000);
});
