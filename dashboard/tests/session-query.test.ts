import fc from "fast-check";
import { expect, test } from "vitest";
import {
  parseQuery,
  partsOf,
  TOKEN_NAMES,
  type TokenName,
  token,
  word,
} from "../src/text/address/session-query";
import { type KnownValues, suggest } from "../src/text/address/suggestions";
import { defaultFilter, type SessionFilter } from "../src/wire";

const READ: readonly (readonly [query: string, change: Partial<SessionFilter>])[] = [
  ["", {}],
  ["  parser  login ", { text: "parser login" }],
  ["state:failed state:lost", { state: ["failed", "lost"] }],
  ["State:failed", { text: "State:failed" }],
  ["state:FAILED", { state: ["failed"] }],
  ["needs:me", { attention: ["asks", "failed", "denied", "quiet", "question"] }],
  ["attention:asks attention:denied", { attention: ["asks", "denied"] }],
  ['project:"my shop" parser', { project: "my shop", text: "parser" }],
  ['project:"a b', { project: "a b" }],
  ["agent:fixer model:opus host:laptop", { agent: "fixer", model: "opus", host: "laptop" }],
  ["since:7d until:2026-11-20", { since: "7d", until: "2026-11-20" }],
  ["since:today", { since: "today" }],
  ["cost:>1", { cost_over: 1 }],
  ["cost:>0.25", { cost_over: 0.25 }],
  ["reason:timeout", { reason: ["timeout"] }],
  ["has:denied has:notices", { denied: true, has_notices: true }],
  ["archived:only", { archived: "true" }],
  ["archived:all", { archived: "all" }],
  ["parent:abc", { parent_session_id: "abc" }],
  ['text:"two words" more', { text: "two words more" }],
  ['"state:failed" https://x', { text: "state:failed https://x" }],
  ["state: project:", {}],
];

test.each(READ)("query %j is read", (query, change) => {
  expect(parseQuery(query)).toEqual({ filter: { ...defaultFilter, ...change }, problems: [] });
});

const WRONG: readonly (readonly [query: string, words: string, fixed: string | null])[] = [
  ["a stat:failed b", "“stat:” is not a filter.", "a state:failed b"],
  ["sicne:7d", "“sicne:” is not a filter.", "since:7d"],
  ["xyzzy:1", "“xyzzy:” is not a filter.", null],
  ["constructor:1", "“constructor:” is not a filter.", null],
  [
    "state:faild",
    "“state:” needs one of waiting, running, finished, failed, stopped, lost, not “faild”.",
    "state:failed",
  ],
  ["since:never", "“since:” needs a time such as 7d, 12h, today or 2026-11-20, not “never”.", null],
  ["since:2026-02-30", "“since:” needs a time such as 7d, 12h, today or 2026-11-20, not “2026-02-30”.", null],
  ["cost:1", "“cost:” needs dollars, such as >1 or >0.25, not “1”.", "cost:>1"],
  ["needs:you", "“needs:” needs me, not “you”.", null],
  ["project:a project:b", "Only the last “project:” applies.", null],
];

test.each(WRONG)("problem of %j is reported", (query, words, fixed) => {
  const [problem] = parseQuery(query).problems;
  expect([problem?.words, problem?.fix?.query ?? null]).toEqual([words, fixed]);
});

test("a file leads to the search for its calls, in the same project", () => {
  const { filter, problems } = parseQuery('project:shop file:"my file.ts" state:lost file:a file:');
  expect(filter).toEqual({ ...defaultFilter, project: "shop", state: ["lost"] });
  const query = 'file:"my file.ts" file:a';
  expect(problems).toMatchObject([{ fix: null, search: { query, project: "shop", agent: null } }]);
});

test("token without effect leaves the rest of the filter", () => {
  expect(parseQuery("stat:failed parser state:lost").filter).toEqual({
    ...defaultFilter,
    text: "parser",
    state: ["lost"],
  });
});

test("written values and words are read as they were", () => {
  const values = fc.string({ minLength: 1 }).filter((text) => !text.includes('"') && text.trim() !== "");
  fc.assert(
    fc.property(fc.constantFrom<TokenName>(...TOKEN_NAMES), values, (name, value) => {
      expect(partsOf(token(name, value))).toMatchObject([{ name, value }]);
      expect(partsOf(word(value))).toMatchObject([{ name: null, value }]);
    }),
  );
});

const KNOWN: KnownValues = {
  project: [
    { value: "/work/shop", count: 12 },
    { value: "/work/my app", count: 3 },
  ],
  agent: [{ value: "fixer", count: 2 }],
  model: [{ value: "opus-5.5" }],
  host: [],
};

// "|" is the caret.
const SUGGESTED: readonly (readonly [query: string, texts: readonly string[], first: string])[] = [
  ["sta|", ["state:"], "state:|"],
  ["a |", TOKEN_NAMES.map((name) => `${name}:`), "a state:|"],
  ["parser|", [], ""],
  ["state:fa|", ["state:failed"], "state:failed |"],
  ["state:fa| b", ["state:failed"], "state:failed |b"],
  ["state:failed|", [], ""],
  ["project:sho|", ["project:/work/shop"], "project:/work/shop |"],
  ["x project:app| y", ['project:"/work/my app"'], 'x project:"/work/my app" |y'],
  ["model:|", ["model:opus-5.5"], "model:opus-5.5 |"],
  ["nonsense:|", [], ""],
];

test.each(SUGGESTED)("suggestions at %j", (typed, texts, first) => {
  const suggested = suggest(typed.replace("|", ""), typed.indexOf("|"), KNOWN);
  expect(suggested.map(({ text }) => text)).toEqual(texts.slice(0, 12));
  const [best] = suggested;
  const completed = best ? `${best.query.slice(0, best.caret)}|${best.query.slice(best.caret)}` : "";
  expect(completed).toBe(first);
});

test("suggested project says how many sessions it has", () => {
  expect(suggest("project:", 8, KNOWN).map(({ hint }) => hint)).toEqual(["12", "3"]);
});
