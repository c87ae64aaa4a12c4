import { expect, test } from "vitest";
import { isPlain } from "../src/text/content/markdown-budget";

const CLASSES = [3000, 14_200, 50_000];

/** Texts that took the parser quadratic time, or exhausted its stack. */
const COSTLY = [
  "*", "_", "_a*", "*a_b ", "~a", "~~a ", "[", "]", "![", "[a](", "[a](b)", "[a][b]", "[^", "`a", "<", "<a ", "> ", ">",
  "- ", "+ ", "1. ", "> - ", "*_~`[](!<&", "**a ", "__a",
]; // biome-ignore format: one line

test.each(COSTLY)("%j repeated is shown unformatted", (part) => {
  const plain = CLASSES.map((size) => isPlain(part.repeat(Math.ceil(size / part.length)).slice(0, size)));
  expect(plain.slice(1)).toEqual([true, true]);
  // Line breaks, blank lines and code fences do not bypass the limit.
  const lines = `${part.repeat(60)}\n`.repeat(300).slice(0, 40_000);
  const isOneParagraph = !/^(?:[-+>]|\d)/.test(part);
  if (isOneParagraph) expect(isPlain(`\`\`\`\nx\n\`\`\`\n${lines}`)).toBe(true);
});

test("common Markdown is formatted", () => {
  const section = [
    "## A **bold** title",
    "Some `code`, _emphasis_ and [a link](https://example.com) in a paragraph of_snake_case names.",
    "",
    "- an item with `code` and **bold**\n  - a nested one\n    > quoted",
    "| a | b |\n|---|---|\n| `x` | **y** |",
    "",
    "```python\nx = [[i * j for i in range(10)] for j in range(10)]\n```",
    "",
  ].join("\n");
  expect(isPlain(section.repeat(100))).toBe(false);
  expect(isPlain(`\`\`\`\n${"a[0] * b[1] ~ !".repeat(2000)}\n\`\`\``)).toBe(false);
  expect(isPlain("*_[".repeat(100))).toBe(false);
});
