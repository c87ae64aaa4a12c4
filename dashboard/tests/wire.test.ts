import { expect, test } from "vitest";
import { isByHand, takesRequests } from "../src/wire";
import { aSession } from "./support";

test("a session in which a person works cannot be stopped from here", () => {
  const outcomes = (["running", "finished"] as const).flatMap((state) =>
    [false, true].map((imported) => {
      const session = aSession({ state, imported });
      return [state, imported, takesRequests(session), isByHand(session)];
    }),
  );
  expect(outcomes).toEqual([
    ["running", false, true, false],
    ["running", true, false, true],
    ["finished", false, false, false],
    ["finished", true, false, false],
  ]);
});
