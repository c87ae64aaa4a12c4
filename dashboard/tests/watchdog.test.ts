import { expect, test } from "vitest";

test("timeout of a test is at least ten minutes", ({ task }) => {
  expect(task.timeout).toBeGreaterThanOrEqual(600_000);
});
