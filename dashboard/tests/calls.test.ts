import { expect, test } from "vitest";
import { gist, inputOf, outputOf } from "../src/text/content/calls";

test("gist is the most informative value", () => {
  expect(gist({ description: "run the tests", command: "make test" })).toBe("make test");
  expect(gist({ file_path: "/home/me/src/shop/auth.py" })).toBe("…/shop/auth.py");
  expect(gist({ id: 42 })).toBe('{"id":42}');
  expect(gist({})).toBe("");
});

test("edit without both texts is shown as plain input", () => {
  expect(inputOf("Edit", { file_path: "a", old_string: "x", new_string: "y" })).toEqual({
    kind: "edits",
    path: "a",
    edits: [{ before: "x", after: "y" }],
  });
  expect(inputOf("MultiEdit", { file_path: "a", edits: [{ old_string: "x" }, null, 3] }).kind).toBe("other");
  expect(inputOf("Edit", { old_string: 1 }).kind).toBe("other");
});

test("output is text, JSON or nothing, in any wrapping", () => {
  expect(
    outputOf([
      { type: "text", text: "one" },
      { type: "text", text: "two" },
    ]),
  ).toEqual({ kind: "text", text: "one\ntwo" });
  expect(outputOf('{"a":1}')).toEqual({ kind: "json", value: { a: 1 } });
  expect(outputOf("{ not json")).toEqual({ kind: "text", text: "{ not json" });
  expect(outputOf([{ type: "image" }]).kind).toBe("json");
  expect(outputOf(null).kind).toBe("none");
});
