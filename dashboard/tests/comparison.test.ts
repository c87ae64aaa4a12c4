import { expect, test } from "vitest";
import { type Compared, comparedFiles, comparedLines, wordsOfFile } from "../src/state/comparison";
import { emptyOutline, type Outline } from "../src/state/session/outline";
import type { OutlineEntry, Session, Usage } from "../src/wire";
import { aSession } from "./support";

function entry(seq: number, kind: OutlineEntry["kind"], more: Partial<OutlineEntry> = {}): OutlineEntry {
  return { seq, kind, run: 1, text: null, error: null, call_seq: null, files: [], ...more };
}

function side(session: Partial<Session>, usage: Partial<Usage>, outline: Partial<Outline> = {}): Compared {
  const whole = aSession({ executor: "claude", last_seq: 20, ...session });
  return {
    session: { ...whole, usage: { ...whole.usage, ...usage } },
    outline: { ...emptyOutline, through: 20, ...outline },
    program: [],
  };
}

const FIRST = side(
  { model: "claude-opus-5-5-20260101", agent: "fixer", project_dir: "/tree/one" },
  { input_tokens: 1200, output_tokens: 30, cost_microdollars: 80_000 },
  {
    entries: [
      entry(1, "prompt", { text: "Fix it" }),
      entry(4, "edit", { call_seq: 3, files: [{ path: "/tree/one/a.py", added: 2, removed: 1 }] }),
      entry(6, "failure", {
        call_seq: 5,
        error: "no",
        files: [{ path: "/tree/one/b.py", added: 9, removed: 9 }],
      }),
      entry(7, "denial", { call_seq: 5, files: [{ path: "/tree/one/b.py", added: 9, removed: 9 }] }),
      entry(9, "failure", { call_seq: 8, error: "no" }),
    ],
    calls: [3, 5, 8],
  },
);
const SECOND = side(
  { state: "failed", reason: "timeout", agent: "fixer", project_dir: "/tree/two", took_seconds: 61 },
  {},
  {
    entries: [
      entry(1, "prompt", { text: "Fix it" }),
      entry(4, "edit", { call_seq: 3, files: [{ path: "/tree/two/a.py", added: 2, removed: 1 }] }),
      entry(6, "edit", { call_seq: 5, files: [{ path: "/tree/two/new.py", added: 5, removed: null }] }),
    ],
    calls: [3, 5, 8],
    commands: 1,
  },
);

const LINES = {
  Prompt: ["Fix it", "Fix it", false],
  Agent: ["fixer", "fixer", false],
  Model: ["opus-5-5", null, null],
  State: ["finished", "failed: timeout", true],
  Took: ["1 s", "61 s", true],
  Calls: ["3", "3", false],
  Failures: ["1", "0", true],
  Denials: ["1", "0", true],
  Cost: ["$0.08", null, null],
  Tokens: ["1,200 in\n30 out", null, null],
  "Changed files": ["1 file +2 −1", "2 files +7 −1 and more", true],
  "By shell commands": ["nothing: none ran", null, null],
};

function told(sides: readonly [Compared, Compared]) {
  const lines = comparedLines(sides, 0, (seconds) => `${seconds} s`);
  return Object.fromEntries(lines.map(({ name, words, isDifferent }) => [name, [...words, isDifferent]]));
}

test("sessions are compared by the values that are known of both", () => {
  expect(told([FIRST, SECOND])).toEqual(LINES);
});

test("files are those inside the projects, without denied edits", () => {
  const files = comparedFiles([FIRST, SECOND]);
  expect(files.map(({ path, files, isDifferent }) => [path, ...files.map(wordsOfFile), isDifferent])).toEqual(
    [
      ["a.py", "+2 −1", "+2 −1", false],
      ["new.py", null, "+5 −?", true],
    ],
  );
});

test("figures of events that are not read yet are not known", () => {
  const reading = { ...SECOND, outline: { ...SECOND.outline, through: 19 } };
  const lines = told([FIRST, reading]);
  for (const name of ["Calls", "Failures", "Denials", "Changed files", "By shell commands"])
    expect(lines[name]?.slice(1)).toEqual([null, null]);
});

test("prompts, programs and costs of all kinds have words", () => {
  const many = Array.from({ length: 8 }, (_, place) => entry(place + 1, "prompt", { text: `p${place}` }));
  const program = { ...side({ executor: "command" }, {}), program: ["make", "a b"] };
  const lines = told([
    side({ state: "running", finished_at: null, exit_code: 3 }, {}, { entries: many }),
    program,
  ]);
  expect(lines).toMatchObject({
    Prompt: ["p0\np1\np2\np3\np4\np5\nand 2 more prompts", "make 'a b'", true],
    State: ["running (exit code 3)", "finished", true],
    Cost: ["not reported yet", "none", true],
    "Changed files": ["none named", "none named", false],
  });
});
