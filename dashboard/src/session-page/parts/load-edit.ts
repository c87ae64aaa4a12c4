/** Loads what an edit changed: from the input of its call, or from the diff in its result. */

import { listEvents } from "../../api/routes";
import { inputOf, patchIn } from "../../text/content/calls";
import type { OutlineEntry, SessionEvent } from "../../wire";

export type LoadedEdit =
  | { readonly kind: "edits"; readonly edits: readonly { readonly before: string; readonly after: string }[] }
  | { readonly kind: "file"; readonly text: string }
  | { readonly kind: "diff"; readonly text: string }
  | { readonly kind: "unknown" };

export async function loadEdit(
  sessionId: string,
  entry: OutlineEntry,
  signal?: AbortSignal,
): Promise<LoadedEdit> {
  const ended = await loadEvent(sessionId, entry.seq, signal);
  if (typeof ended?.wire.diff === "string") return { kind: "diff", text: ended.wire.diff };
  const begun = entry.call_seq === null ? undefined : await loadEvent(sessionId, entry.call_seq, signal);
  if (begun?.kind !== "pre_tool") return { kind: "unknown" };
  const input = inputOf(begun.tool_name, begun.tool_input);
  if (input.kind === "edits") return { kind: "edits", edits: input.edits };
  if (input.kind === "file") return { kind: "file", text: input.text };
  const patch = patchIn(begun.tool_input);
  return patch === null ? { kind: "unknown" } : { kind: "diff", text: patch };
}

async function loadEvent(
  sessionId: string,
  seq: number,
  signal?: AbortSignal,
): Promise<SessionEvent | undefined> {
  return (await listEvents(sessionId, { after_seq: seq - 1, limit: 1 }, signal)).events[0];
}

/** Return a patch of the edits of a file, as far as they can be loaded. */
export async function loadPatch(
  sessionId: string,
  path: string,
  entries: readonly OutlineEntry[],
): Promise<string> {
  const { patchOf } = await import("../../text/content/patch");
  const parts: string[] = [];
  for (const entry of entries) {
    const edit = await loadEdit(sessionId, entry);
    if (edit.kind === "edits") parts.push(patchOf(path, edit.edits));
    if (edit.kind === "file") parts.push(patchOf(path, [{ before: "", after: edit.text }]));
    if (edit.kind === "diff") parts.push(edit.text.endsWith("\n") ? edit.text : `${edit.text}\n`);
  }
  return parts.join("");
}
