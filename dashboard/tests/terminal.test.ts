import fc from "fast-check";
import { expect, test } from "vitest";
import { clean, pieces } from "../src/text/content/terminal";

test("colours become classes and other sequences are removed", () => {
  const output =
    "\u001b]0;title\u0007\u001b[2K\u001b[31mred\u001b[0m plain \u001b[1;32mgreen\u001b[m\u001b[?25l";
  expect(pieces(output).map(({ text, classes }) => [text, classes])).toEqual([
    ["red", "ansi-red-fg"],
    [" plain ", ""],
    ["green", "ansi-green-fg ansi-bold"],
  ]);
});

test("overwritten line shows its last state", () => {
  expect(clean("10%\r50%\r100%\r\ndone\n")).toBe("100%\ndone\n");
  expect(clean("10%\r50%\r")).toBe("50%");
});

test("unfinished sequence at the end removes no other text", () => {
  expect(clean("ok\u001b[3")).toBe("ok");
  expect(clean("ok\u001b]8;;http://x")).toBe("ok");
});

test("palette colours become RGB colours", () => {
  expect(pieces("\u001b[38;5;196mx")[0]?.color).toBe("rgb(255, 0, 0)");
  expect(pieces("\u001b[38;2;1;2;3mx")[0]?.color).toBe("rgb(1, 2, 3)");
});

test("cleaned output has no terminal controls", () => {
  const unit = fc.constantFrom(
    "\u001b",
    "[",
    "]",
    "3",
    "1",
    "m",
    "K",
    ";",
    "\u009b",
    "\u0007",
    "\b",
    "\r",
    "\n",
    "a",
    "\u202e",
    "P",
    "\\",
  );
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60 }), (output) => {
      const text = pieces(output)
        .map((piece) => piece.text)
        .join("");
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the test checks that they are removed
      expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    }),
  );
});
