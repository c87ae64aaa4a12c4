/** What a session has changed, file by file, as far as its calls name it. */

import type { OutlineEntry, OutlinePage } from "../../wire";
import { distinct, seqOf } from "./outline";

export interface FileEdit {
  readonly entry: OutlineEntry;
  /** Numbers of added and removed lines; null if they are not known. */
  readonly added: number | null;
  readonly removed: number | null;
}

/** Numbers of added and removed lines of several edits. */
export interface Lines {
  /** Sums of the known counts; null if no count is known. */
  readonly added: number | null;
  readonly removed: number | null;
  /** Whether the lines of another edit are not known. */
  readonly isMore: boolean;
}

export interface ChangedFile extends Lines {
  readonly path: string;
  readonly edits: readonly FileEdit[];
}

/** Return the files with their edits, in the order of the first edits. Failed and denied ones do not count. */
export function changedFiles(entries: readonly OutlineEntry[]): readonly ChangedFile[] {
  const edits = new Map<string, FileEdit[]>();
  for (const entry of entries) {
    if (entry.kind !== "edit") continue;
    for (const { path, added, removed } of entry.files) {
      const known = edits.get(path);
      if (known) known.push({ entry, added, removed });
      else edits.set(path, [{ entry, added, removed }]);
    }
  }
  return [...edits].map(([path, edits]) => ({ path, edits, ...linesOf(edits) }));
}

/** Return the lines of several edits, files or sums together. */
export function linesOf(
  parts: readonly (Pick<FileEdit, "added" | "removed"> & { readonly isMore?: boolean })[],
): Lines {
  const added = parts.map((part) => part.added);
  const removed = parts.map((part) => part.removed);
  return {
    added: sum(added),
    removed: sum(removed),
    isMore: parts.some(({ isMore }) => isMore) || isPartial(added) || isPartial(removed),
  };
}

/** Return the lines of each edit that says any, by the seq of its row. */
export function linesByRow(entries: readonly OutlineEntry[]): ReadonlyMap<number, Lines> {
  const edits = entries.flatMap((entry): [number, Lines][] =>
    entry.kind === "edit" ? [[seqOf(entry), linesOf(entry.files)]] : [],
  );
  return new Map(edits.filter(([, { added, removed }]) => added !== null || removed !== null));
}

/** What runs have changed. */
export interface Changes {
  readonly files: number;
  readonly lines: Lines;
}

/** Return what the runs after `run` have changed; null if they are longer than the page of the outline.
 *
 * `after` is the seq after which the page begins. */
export function changesAfter(run: number, page: OutlinePage, after: number): Changes | null {
  const isWhole = after === 0 || page.entries.some((entry) => entry.run <= run);
  if (!isWhole || page.has_more) return null;
  const files = changedFiles(page.entries.filter((entry) => entry.run > run));
  return { files: files.length, lines: linesOf(files) };
}

/** Return the calls that would have changed files, but failed or were denied. */
export function attempts(entries: readonly OutlineEntry[]): readonly OutlineEntry[] {
  return distinct(entries).filter(
    ({ kind, files }) => (kind === "failure" || kind === "denial") && files.length > 0,
  );
}

/** Return a path as it is shown: from the project on, if it is inside. */
export function pathIn(project: string | null, path: string): string {
  const begin = project === null ? null : `${project.replace(/\/+$/, "")}/`;
  return begin !== null && path.startsWith(begin) ? path.slice(begin.length) : path;
}

/** Return the sum of the known counts; null if none is known. */
export function sum(counts: readonly (number | null)[]): number | null {
  const known = counts.filter((count) => count !== null);
  return known.length === 0 ? null : known.reduce((total, count) => total + count, 0);
}

function isPartial(counts: readonly (number | null)[]): boolean {
  return counts.includes(null) && counts.some((count) => count !== null);
}
