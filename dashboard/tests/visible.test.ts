import { expect, test } from "vitest";
import { safeLink } from "../src/text/content/links";
import { oneLine, visible } from "../src/text/visible";

test("control characters are shown as marks, except line breaks and tabs", () => {
  expect(visible("a\u0000b\u001b[31m\u0007\n\tc\u009b")).toBe("a␀b␛[31m␇\n\tc⟨U+009B⟩");
});

test("characters that reorder or hide text are shown by name", () => {
  expect(visible("photo\u202egnp.exe\u2066\u200b")).toBe("photo⟨RLO⟩gnp.exe⟨LRI⟩⟨ZWSP⟩");
});

test("names that differ only in invisible characters look different", () => {
  const hidden = [0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0x2063, 0x206f, 0x2800,
    0x3164, 0xfe00, 0xfe0f, 0xfeff, 0xffa0, 0xfff9, 0x1d173, 0xe0001, 0xe0041, 0xe0100]; // biome-ignore format: one line
  for (const code of hidden) {
    for (const name of [`review${String.fromCodePoint(code)}`, `re${String.fromCodePoint(code)}view`]) {
      expect(oneLine(name)).toContain(
        `U+${code.toString(16).toUpperCase().padStart(4, "0")}`
          .replace("U+061C", "ALM")
          .replace("U+200B", "ZWSP"),
      );
    }
  }
});

test("name is shown on one line", () => {
  expect(oneLine("  two\r\n lines\u2028here ")).toBe("two lines here");
});

test("text in any language is unchanged", () => {
  const text = "שלום, 你好, naïve — 👩‍💻 👨🏽‍🚀 ❤️ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 می‌خواهم क्‍ष 葛󠄀";
  expect(visible(text)).toBe(text);
});

test.each(["https://example.com/a?b#c", "http://localhost:1/", "mailto:a@example.com"])(
  "%s is an allowed link",
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
])("%j is not an allowed link", (href) => {
  expect(safeLink(href)).toBeNull();
});
