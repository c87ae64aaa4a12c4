/** Compares two sessions line by line, from the same values as the page of each. Nothing is counted a second time. */

import { plural, wholeNumber } from "../text/format";
import { costWords, tookSeconds } from "../text/session-row";
import { commandLine } from "../text/shell";
import type { Session } from "../wire";
import { type ChangedFile, changedFiles, pathIn, sum } from "./session/changed-files";
import { shortModel } from "./session/model";
import { distinct, type Outline } from "./session/outline";

/** A session with everything that is compared. */
export interface Compared {
  readonly session: Session;
  readonly outline: Outline;
  /** The program of its newest run and its arguments; empty for an agent. */
  readonly program: readonly string[];
}

/** A line of the table, with the words of each session; null if they are not known. */
export interface ComparedLine {
  readonly name: string;
  readonly words: readonly [string | null, string | null];
  /** Null if one of them is not known. */
  readonly isDifferent: boolean | null;
}

/** A line of a file: null for a session that has not changed it. */
export interface ComparedFile {
  readonly path: string;
  readonly files: readonly [ChangedFile | null, ChangedFile | null];
  readonly isDifferent: boolean;
}

export const NOT_KNOWN = "not known";
const MOST_PROMPTS = 6;

type Words = (side: Compared) => string | null;
type Took = (seconds: number) => string;

/** Return the lines of the table; `took` formats the time of all runs until `now`. */
export function comparedLines(
  sides: readonly [Compared, Compared],
  now: number,
  took: Took,
): readonly ComparedLine[] {
  const lines: readonly (readonly [string, Words])[] = [
    ["Prompt", promptOf],
    ["Agent", ({ session }) => session.agent],
    ["Model", ({ session }) => session.model && shortModel(session.model)],
    ["State", stateOf],
    ["Took", ({ session }) => took(tookSeconds(session, now))],
    ["Calls", whenRead(({ calls }) => calls.length)],
    ["Failures", whenRead((outline) => countOf(outline, "failure"))],
    ["Denials", whenRead((outline) => countOf(outline, "denial"))],
    ["Cost", costOf],
    ["Tokens", tokensOf],
    ["Changed files", filesOf],
    ["By shell commands", commandsOf],
  ];
  return lines.map(([name, wordsOf]) => {
    const words = [wordsOf(sides[0]), wordsOf(sides[1])] as const;
    const isKnown = words[0] !== null && words[1] !== null;
    return { name, words, isDifferent: isKnown ? words[0] !== words[1] : null };
  });
}

/** Return the files that either session has changed. A call that failed or was denied has changed none. */
export function comparedFiles([one, other]: readonly [Compared, Compared]): readonly ComparedFile[] {
  const [left, right] = [one, other].map(
    ({ session, outline }) =>
      new Map(changedFiles(outline.entries).map((file) => [pathIn(session.project_dir, file.path), file])),
  );
  return [...new Set([...(left?.keys() ?? []), ...(right?.keys() ?? [])])].map((path) => {
    const files = [left?.get(path) ?? null, right?.get(path) ?? null] as const;
    return { path, files, isDifferent: wordsOfFile(files[0]) !== wordsOfFile(files[1]) };
  });
}

/** Return the added and removed lines of a file; null if the session has not changed it. */
export function wordsOfFile(file: ChangedFile | null): string | null {
  return file && `${linesOf(file.added, file.removed)}${file.isMore ? " and more" : ""}`;
}

function linesOf(added: number | null, removed: number | null): string {
  if (added === null && removed === null) return `lines ${NOT_KNOWN}`;
  const words = (count: number | null) => (count === null ? "?" : wholeNumber(count));
  return `+${words(added)} −${words(removed)}`;
}

function promptOf({ session, outline, program }: Compared): string | null {
  if (program.length > 0) return commandLine(program);
  const prompts = outline.entries.filter(({ kind }) => kind === "prompt").map(({ text }) => text ?? "");
  if (prompts.length === 0) return session.prompt;
  const more = prompts.length - MOST_PROMPTS;
  return [
    ...prompts.slice(0, MOST_PROMPTS),
    ...(more > 0 ? [`and ${plural(more, "more prompt")}`] : []),
  ].join("\n");
}

function stateOf({ session: { state, reason, exit_code } }: Compared): string {
  const why = reason === null || reason === state || reason === "completed" ? "" : `: ${reason}`;
  return `${state}${why}${exit_code ? ` (exit code ${exit_code})` : ""}`;
}

function costOf({ session }: Compared): string | null {
  const words = costWords(session);
  if (words === "unknown") return null;
  return words === null ? "none" : words === "…" ? "not reported yet" : words;
}

function tokensOf({ session: { usage } }: Compared): string | null {
  const kinds = [
    [usage.input_tokens, "in"],
    [usage.output_tokens, "out"],
    [usage.cache_read_tokens, "from cache"],
    [usage.cache_creation_tokens, "to cache"],
  ] as const;
  const used = kinds.filter(([count]) => count > 0).map(([count, word]) => `${wholeNumber(count)} ${word}`);
  return used.length === 0 ? null : used.join("\n");
}

function filesOf(side: Compared): string | null {
  if (!isRead(side)) return null;
  const files = changedFiles(side.outline.entries);
  if (files.length === 0) return "none named";
  const lines = linesOf(sum(files.map(({ added }) => added)), sum(files.map(({ removed }) => removed)));
  const isMore = files.some((file) => file.isMore || file.added === null || file.removed === null);
  return `${plural(files.length, "file")} ${lines}${isMore ? " and more" : ""}`;
}

/** The changes of commands are not known, unless no command ran. */
function commandsOf(side: Compared): string | null {
  return isRead(side) && side.outline.commands === 0 ? "nothing: none ran" : null;
}

function whenRead(count: (outline: Outline) => number): Words {
  return (side) => (isRead(side) ? wholeNumber(count(side.outline)) : null);
}

function countOf({ entries }: Outline, kind: "failure" | "denial"): number {
  return distinct(entries).filter((entry) => entry.kind === kind).length;
}

/** Return whether the outline has all events. */
export function isRead({ session, outline }: Pick<Compared, "session" | "outline">): boolean {
  return outline.through >= session.last_seq;
}
