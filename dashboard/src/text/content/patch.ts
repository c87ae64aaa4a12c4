/** Writes edits as a unified diff. The line numbers count from the begin of each edit, as the file is not known. */

import { structuredPatch } from "diff";
import type { Edit } from "./calls";

const CONTEXT = 3;

/** Return the diff of a file, from all its edits in their order. */
export function patchOf(path: string, edits: readonly Edit[]): string {
  const hunks = edits.flatMap(({ before, after }) =>
    structuredPatch(path, path, before, after, "", "", { context: CONTEXT }).hunks.map((hunk) =>
      [`@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`, ...hunk.lines, ""].join(
        "\n",
      ),
    ),
  );
  return hunks.length === 0 ? "" : `--- ${path}\n+++ ${path}\n${hunks.join("")}`;
}
