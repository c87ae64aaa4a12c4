import { expect, test } from "vitest";
import { safeLink } from "../src/text/links";
import { oneLine, visible } from "../src/text/visible";

test("control characters are shown as marks, line breaks and tabs stay", () => {
  expect(visible("a\u0000b\u001b[31m\u0007\n\tc\u009b")).toBe("a␀b␛[31m␇\n\tc⟨U+009B⟩");
});

test("characters that reorder or hide text are named", () => {
  expect(visible("photo\u202egnp.exe\u2066\u200b")).toBe("photo⟨RLO⟩gnp.exe⟨LRI⟩⟨ZWSP⟩");
});

test("a name is one line", () => {
  expect(oneLine("  two\r\n lines\u2028here ")).toBe("two lines here");
});

test("text of any language is left alone", () => {
  const text = "שלום, 你好, naïve — 👩‍💻";
  expect(visible(text)).toBe(text);
});

test.each(["https://example.com/a?b#c", "http://localhost:1/", "mailto:a@example.com"])(
  "%s may be followed",
  (href) => {
    expect(safeLink(href)).toBe(href);
  },
);

test.each([
  "javascript:alert(1)",
  " JavaScript:alert(1)",
  "java\nscript:alert(1)",
  "data:text/html,x",
  "vbscript:x",
  "file:///etc/passwd",
  "blob:http://x/1",
  "/sessions",
  "//example.com",
  "#/sessions",
  "",
  undefined,
])("%j may not be followed", (href) => {
  expect(safeLink(href)).toBeNull();
});
