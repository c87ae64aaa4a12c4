/** The outline of a session: its pages joined, its lines for the sidebar, and the filters that it makes possible. */

import type { OutlineEntry, OutlinePage } from "../../wire";
import { placeIn } from "./sorted";

export interface Outline {
  readonly entries: readonly OutlineEntry[];
  /** The seqs of messages and of the begins of tool calls. */
  readonly messages: readonly number[];
  readonly calls: readonly number[];
  /** Number of commands, which can change files that nothing names. */
  readonly commands: number;
  /** The events of each subagent, in parts. */
  readonly lanes: OutlinePage["lanes"];
  /** The last event that was read for it. */
  readonly through: number;
}

export const emptyOutline: Outline = {
  entries: [],
  messages: [],
  calls: [],
  commands: 0,
  lanes: [],
  through: 0,
};

/** Add the page after the outline; a page that was asked for twice is added once. */
export function addOutlinePage(outline: Outline, after: number, page: OutlinePage): Outline {
  if (after !== outline.through || page.through <= after) return outline;
  return {
    entries: [...outline.entries, ...page.entries],
    messages: [...outline.messages, ...page.messages],
    calls: [...outline.calls, ...page.calls],
    commands: outline.commands + page.commands,
    lanes: [...outline.lanes, ...page.lanes],
    through: page.through,
  };
}

/** A line of the outline: an entry, or the edits of one file after each other. */
export interface OutlineLine {
  readonly entry: OutlineEntry;
  /** The events to go to. */
  readonly seqs: readonly number[];
  readonly isNewRun: boolean;
}

/** Return the row that shows an entry: that of its call, if it has one. */
export function seqOf({ call_seq, seq }: OutlineEntry): number {
  return call_seq ?? seq;
}

/** Return the entries without those that another entry of the same call tells better: a denial its failure. */
export function distinct(entries: readonly OutlineEntry[]): readonly OutlineEntry[] {
  const denied = new Set(entries.flatMap((entry) => (entry.kind === "denial" ? [entry.call_seq] : [])));
  const told = new Set<number>();
  return entries.filter((entry) => {
    const { kind, call_seq } = entry;
    if (call_seq === null) return true;
    if (kind === "failure" && denied.has(call_seq)) return false;
    if (kind === "denial" && told.has(call_seq)) return false;
    if (kind === "denial") told.add(call_seq);
    return true;
  });
}

export function outlineLines(entries: readonly OutlineEntry[]): readonly OutlineLine[] {
  const lines: { entry: OutlineEntry; seqs: number[]; isNewRun: boolean }[] = [];
  for (const entry of distinct(entries)) {
    const before = lines.at(-1);
    if (before && isSameFile(before.entry, entry)) before.seqs.push(seqOf(entry));
    else lines.push({ entry, seqs: [seqOf(entry)], isNewRun: before?.entry.run !== entry.run });
  }
  return lines;
}

function isSameFile(a: OutlineEntry, b: OutlineEntry): boolean {
  const [file] = b.files;
  return (
    a.kind === "edit" &&
    b.kind === "edit" &&
    a.run === b.run &&
    a.files.length === 1 &&
    b.files.length === 1 &&
    a.files[0]?.path === file?.path
  );
}

export const SHOWN = ["all", "talk", "calls", "failures", "edits"] as const;
export type Shown = (typeof SHOWN)[number];

export const SHOWN_WORDS: Readonly<Record<Shown, string>> = {
  all: "all",
  talk: "talk only",
  calls: "tool calls",
  failures: "failures and denials",
  edits: "edits",
};

/** The rows that a filter shows. */
export interface Passing {
  has(seq: number): boolean;
  /** Return the seqs from one to another that pass, in their order. */
  within(first: number, last: number): readonly number[];
}

export const everything: Passing = { has: () => true, within: range };

/** Return the rows that pass a filter. Events after the outline pass until it has caught up. */
export function passing(outline: Outline, shown: Shown): Passing | null {
  if (shown === "all") return null;
  const { through } = outline;
  const seqs = new Set(seqsOf(outline, shown));
  for (const entry of outline.entries) {
    const isEnd = entry.kind === "run_end" && (shown !== "failures" || entry.error !== null);
    if (isEnd && shown !== "edits") seqs.add(entry.seq);
  }
  const sorted = [...seqs].sort((a, b) => a - b);
  return {
    has: (seq) => seq > through || seqs.has(seq),
    within: (first, last) => [
      ...sorted.slice(placeIn(sorted, first), placeIn(sorted, Math.min(last, through) + 1)),
      ...range(Math.max(first, through + 1), last),
    ],
  };
}

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, place) => first + place);
}

function seqsOf({ entries, messages, calls }: Outline, shown: Shown): readonly number[] {
  switch (shown) {
    case "talk":
      return messages;
    case "calls":
      return calls;
    case "failures":
      return entries.filter(isBad).map(seqOf);
    default:
      return entries.filter(({ kind }) => kind === "edit").map(seqOf);
  }
}

/** Return whether an entry tells something bad: these are what `e` and `E` jump to. */
export function isBad({ kind, error }: OutlineEntry): boolean {
  return kind === "failure" || kind === "denial" || (kind === "run_end" && error !== null);
}

/** Return the nearest of these seqs before or after one, in the order of the session. */
export function nearest(seqs: readonly number[], here: number, direction: 1 | -1): number | null {
  let found: number | null = null;
  for (const seq of seqs) {
    if ((seq - here) * direction <= 0) continue;
    if (found === null || (seq - found) * direction < 0) found = seq;
  }
  return found;
}

/** A mark beside the scroll bar, in thousandths of the session. */
export interface Tick {
  readonly from: number;
  readonly to: number;
  readonly kind: "prompt" | "bad" | "edit";
}

/** So few that there is space between them. */
const TICK_PLACES = 125;
const RANK = { bad: 2, prompt: 1, edit: 0 } as const;

/** Return the marks: where several fall together the gravest stands, and neighbours of a kind are one. */
export function ticksOf(entries: readonly OutlineEntry[], head: number): readonly Tick[] {
  const kinds: (Tick["kind"] | undefined)[] = [];
  for (const entry of entries) {
    const kind = isBad(entry) ? "bad" : entry.kind === "prompt" || entry.kind === "edit" ? entry.kind : null;
    if (kind === null || head === 0) continue;
    const place = Math.floor(((seqOf(entry) - 1) / head) * TICK_PLACES);
    const before = kinds[place];
    if (before === undefined || RANK[kind] > RANK[before]) kinds[place] = kind;
  }
  const ticks: { from: number; to: number; kind: Tick["kind"] }[] = [];
  for (const [place, kind] of kinds.entries()) {
    if (kind === undefined) continue;
    const [from, to] = [place, place + 1].map((each) => (each * 1000) / TICK_PLACES) as [number, number];
    const last = ticks.at(-1);
    if (last?.kind === kind && last.to === from) last.to = to;
    else ticks.push({ from, to, kind });
  }
  return ticks;
}
