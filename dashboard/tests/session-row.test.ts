import { expect, test } from "vitest";
import {
  childrenWords,
  costWords,
  markOf,
  modelName,
  projectName,
  tookSeconds,
  whatOf,
} from "../src/text/session-row";
import type { Session } from "../src/wire";
import { aSession } from "./support";

const asks = { kind: "asks", since: "2026-01-01T10:00:00Z", text: "run `rm -rf db`", seq: 3 } as const;
const WHAT: readonly (readonly [string, Partial<Session>, ReturnType<typeof whatOf>])[] = [
  [
    "prompt and answer",
    { prompt: "Fix it", outcome: "Done." },
    { about: "Fix it", end: "Done.", tone: null },
  ],
  ["title", { title: "Login", prompt: "Fix it" }, { about: "Login", end: null, tone: null }],
  ["error", { state: "failed", outcome: "no login" }, { about: null, end: "no login", tone: "bad" }],
  ["reason", { state: "failed", reason: "timeout" }, { about: null, end: "timeout", tone: "bad" }],
  [
    "question",
    { state: "waiting", attention: asks },
    { about: null, end: "asks: run `rm -rf db`", tone: "warn" },
  ],
  [
    "silence",
    { state: "running", attention: { ...asks, kind: "quiet", text: "Bash" } },
    { about: null, end: "quiet in Bash", tone: "warn" },
  ],
  [
    "denial",
    { denied_calls: 2, outcome: "Sorry." },
    { about: null, end: "2 calls denied; Sorry.", tone: "warn" },
  ],
];

test.each(WHAT)("row tells what a session is about: %s", (_, fields, what) => {
  expect(whatOf(aSession(fields))).toEqual(what);
});

test("end with denied calls does not look well", () => {
  const marks = [{}, { denied_calls: 1 }, { denied_calls: 1, state: "failed" as const }];
  expect(marks.map((fields) => markOf(aSession(fields)))).toEqual(["finished", "denied", "failed"]);
});

test("cost is counting, unknown, a lower bound, or nothing to pay", () => {
  const { usage } = aSession();
  const costs: readonly (readonly [Partial<Session>, string | null])[] = [
    [{ usage: { ...usage, cost_microdollars: 380_000 } }, "$0.38"],
    [{ usage: { ...usage, cost_microdollars: 3_000 } }, "<$0.01"],
    [{ usage: { ...usage, cost_microdollars: 380_000, unpriced_tokens: 5 } }, "≥ $0.38"],
    [{ usage: { ...usage, unpriced_tokens: 5 } }, "unknown"],
    [{ executor: "claude" }, "unknown"],
    [{ executor: "claude", state: "running" }, "…"],
    [{ executor: "command" }, null],
  ];
  for (const [fields, words] of costs) expect(costWords(aSession(fields))).toBe(words);
});

test("time of an open run is added to that of the ended ones", () => {
  const now = Date.parse("2026-01-01T10:00:07Z");
  expect(tookSeconds(aSession({ took_seconds: 60 }), now)).toBe(60);
  expect(tookSeconds(aSession({ took_seconds: 60, finished_at: null }), now)).toBe(67);
});

test("parent shows the worst of its tree", () => {
  const children: readonly (readonly [Partial<Session>, ReturnType<typeof childrenWords>])[] = [
    [{ child_count: 2 }, null],
    [
      { child_count: 2, children_failed: 1 },
      { words: "2 children: 1 failed", worst: "failed" },
    ],
    [
      { child_count: 3, children_failed: 1, children_running: 2, children_waiting: 1 },
      { words: "3 children: 1 waiting, 1 failed, 1 running", worst: "waiting" },
    ],
    [
      { child_count: 1, children_running: 2 },
      { words: "1 child and theirs: 2 running", worst: "running" },
    ],
  ];
  for (const [fields, words] of children) expect(childrenWords(aSession(fields))).toEqual(words);
});

test("projects and models have short names", () => {
  const models = ["claude-opus-5-5-20260101", "gpt-6-codex", "anthropic/claude-haiku-5", "claude-"];
  expect(models.map(modelName)).toEqual(["opus-5-5", "gpt-6-codex", "haiku-5", "claude-"]);
  expect(["/work/shop", "/work/shop/", "/"].map(projectName)).toEqual(["shop", "shop", "/"]);
});
