import fc from "fast-check";
import { expect, test } from "vitest";
import {
  MAX_PHRASE_WORDS,
  MAX_QUERY_CHARS,
  MAX_TERMS,
  MAX_TEXT_CHARS,
  SoughtWords,
} from "../src/text/sought-words";

function marked(query: string, text: string): string[] {
  return new SoughtWords(query).find(text).map(({ start, end }) => text.slice(start, end));
}

test.each([
  ["refused connection", "Connection REFUSED, connections", ["Connection", "REFUSED"]],
  ['"connection refused"', "connection: refused; refused", ["connection: refused"]],
  ["pars*", "parser, parsing, sparse", ["pars", "pars"]],
  ['"two pref"*', "two prefixes", ["two pref"]],
  ["user", "getUserById", ["User"]],
  ["user", "user, getUserById", ["user"]],
  ["src/a.py snake_case", "in src/a.py: snake_case", ["src/a.py", "snake_case"]],
  ["found -lost file:a.py", "found, lost in a.py", ["found"]],
  ["--force", "git push --force", ["force"]],
  ["naive wide strasse", "naïve ＷＩＤＥ Straße nai\u0308ve", ["naïve", "ＷＩＤＥ", "Straße", "nai\u0308ve"]],
  ["文字", "中文字符 abc文字", ["文字", "文字"]],
  ["smile", "😀smile 😀 smile", ["smile", "smile"]],
  ["soft", "so\u00adft", ["so\u00adft"]],
  ['"open', "open", ["open"]],
  ["- file:", "file", []],
  ["", "text", []],
])("%s in %s", (query, text, places) => {
  expect(marked(query, text)).toEqual(places);
});

test("places are in order, inside the text and without overlap", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (query, text) => {
      let last = 0;
      for (const { start, end } of new SoughtWords(query).find(text)) {
        expect(start).toBeGreaterThanOrEqual(last);
        expect(end).toBeGreaterThan(start);
        last = end;
      }
      expect(last).toBeLessThanOrEqual(text.length);
    }),
    { numRuns: 30 }, // the patterns of each query take long to compile
  );
});

test("a word is found in its own text, whatever is around it", () => {
  const words = fc.stringMatching(/^[a-zäöüß]{3,9}$/);
  fc.assert(
    fc.property(words, words, (word, other) => {
      expect(marked(word, `${other} ${word.toUpperCase()}. ${other}`)).not.toEqual([]);
    }),
  );
});

test("the work for a query of any size is bounded", () => {
  const above = (limit: number) => fc.integer({ min: limit + 1, max: 3 * limit });
  const numbered = (count: number) => Array.from({ length: count }, (_, at) => `w${at}`);
  fc.assert(
    fc.property(above(MAX_PHRASE_WORDS), above(MAX_TERMS), above(MAX_QUERY_CHARS), (words, terms, size) => {
      const phrase = numbered(words).join(" ");
      expect(marked(`"${phrase}"`, phrase)).toEqual([numbered(MAX_PHRASE_WORDS).join(" ")]);
      expect(marked(numbered(terms).join(" "), numbered(terms).join(" "))).toEqual(numbered(MAX_TERMS));
      expect(marked("a".padEnd(size), "a")).toEqual([]);
      expect(marked("a".padEnd(size).slice(0, MAX_QUERY_CHARS), "a")).toEqual(["a"]);
    }),
    { numRuns: 30 },
  );
  const text = `word${" ".repeat(MAX_TEXT_CHARS)}word`;
  expect(marked("word", text)).toEqual(["word"]);
});

test("the same text is searched only once", () => {
  const words = new SoughtWords("needle");
  const places = words.find("a needle");
  expect(words.find("a needle")).toBe(places);
  expect(words.find("no needles, a needle")).not.toEqual(places);
});

test("words are found inside JSON", () => {
  const words = new SoughtWords("needle");
  expect(words.isIn({ a: [1, { b: "a needle" }] })).toBe(true);
  expect(words.isIn({ needle: [null, "hay"] })).toBe(false);
});
