/** What a session has changed, file by file, as far as its calls name it. */

import type { OutlineEntry } from "../wire";
import { distinct } from "./outline";

export interface FileEdit {
  readonly entry: OutlineEntry;
  /** Numbers of added and removed lines; null if they are not known. */
  readonly added: number | null;
  readonly removed: number | null;
}

export interface ChangedFile {
  readonly path: string;
  readonly edits: readonly FileEdit[];
  /** Sums of the known counts; null if no count is known. */
  readonly added: number | null;
  readonly removed: number | null;
  /** Whether the lines of another edit are not known. */
  readonly isMore: boolean;
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
  return [...edits].map(([path, edits]) => ({
    path,
    edits,
    added: sum(edits.map(({ added }) => added)),
    removed: sum(edits.map(({ removed }) => removed)),
    isMore: isPartial(edits.map(({ added }) => added)) || isPartial(edits.map(({ removed }) => removed)),
  }));
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
