/** Turns an edit into lines: removed, added, and a few unchanged ones around them. */

import { diffLines } from "diff";

export type DiffLine =
  | { readonly kind: "same" | "added" | "removed"; readonly text: string }
  | { readonly kind: "skipped"; readonly count: number };

const CONTEXT = 3;
const MAX_EDIT_LENGTH = 4000;

export function lineDiff(before: string, after: string): readonly DiffLine[] {
  const parts = diffLines(before, after, { maxEditLength: MAX_EDIT_LENGTH });
  if (parts === undefined) return [...tagged(before, "removed"), ...tagged(after, "added")];
  return parts.flatMap((part, at) => {
    if (part.added) return tagged(part.value, "added");
    if (part.removed) return tagged(part.value, "removed");
    return shortened(tagged(part.value, "same"), at === 0, at === parts.length - 1);
  });
}

function tagged(text: string, kind: "same" | "added" | "removed"): DiffLine[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => ({ kind, text: line }));
}

/** Keep only the lines next to a change. */
function shortened(lines: DiffLine[], isFirst: boolean, isLast: boolean): DiffLine[] {
  const head = isFirst ? 0 : CONTEXT;
  const tail = isLast ? 0 : CONTEXT;
  const count = lines.length - head - tail;
  if (count <= 1) return lines;
  return [...lines.slice(0, head), { kind: "skipped", count }, ...lines.slice(lines.length - tail)];
}
