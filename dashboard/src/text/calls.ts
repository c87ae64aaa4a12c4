/** Summarises a tool call in one line, and chooses the form in which to show its input and output. */

import { isRecord } from "../wire";
import { type Block, blocksOf } from "./blocks";
import { shortPath } from "./format";

type Input = Readonly<Record<string, unknown>>;

const TELLING = [
  "command",
  "file_path",
  "notebook_path",
  "pattern",
  "url",
  "query",
  "description",
  "prompt",
  "path",
];

/** Return the most informative value of a call's input. */
export function gist(input: Input): string {
  for (const name of TELLING) {
    const value = input[name];
    if (typeof value !== "string" || value === "") continue;
    return name.endsWith("path") ? shortPath(value) : value.slice(0, 400);
  }
  return Object.keys(input).length === 0 ? "" : JSON.stringify(input).slice(0, 400);
}

export type CallInput =
  | { readonly kind: "edits"; readonly path: string; readonly edits: readonly Edit[] }
  | { readonly kind: "file"; readonly path: string; readonly text: string }
  | { readonly kind: "command"; readonly command: string; readonly rest: Input }
  | { readonly kind: "other"; readonly input: Input };

export interface Edit {
  readonly before: string;
  readonly after: string;
}

export function inputOf(toolName: string, input: Input): CallInput {
  const path = typeof input.file_path === "string" ? input.file_path : "";
  switch (toolName) {
    case "Edit": {
      const edit = toEdit(input);
      return edit ? { kind: "edits", path, edits: [edit] } : { kind: "other", input };
    }
    case "MultiEdit": {
      const edits = Array.isArray(input.edits) ? input.edits.map(toEdit).filter((edit) => edit !== null) : [];
      return edits.length > 0 ? { kind: "edits", path, edits } : { kind: "other", input };
    }
    case "Write":
      return typeof input.content === "string"
        ? { kind: "file", path, text: input.content }
        : { kind: "other", input };
    case "Bash": {
      const { command, ...rest } = input;
      return typeof command === "string" ? { kind: "command", command, rest } : { kind: "other", input };
    }
    default:
      return { kind: "other", input };
  }
}

export type CallOutput =
  | { readonly kind: "none" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "blocks"; readonly blocks: readonly Block[] }
  | { readonly kind: "json"; readonly value: unknown };

/** Longer texts are not parsed as JSON; the limit is high, as a text may contain an image. */
const MAX_PARSED = 4_000_000;

export function outputOf(output: unknown): CallOutput {
  if (output === null || output === undefined || output === "") return { kind: "none" };
  const blocks = blocksOf(output);
  const texts = blocks?.flatMap((block) => (block.kind === "text" ? [block.text] : [])) ?? [];
  if (blocks && texts.length < blocks.length) return { kind: "blocks", blocks };
  const text = typeof output === "string" ? output : blocks ? texts.join("\n") : null;
  if (text === null) return { kind: "json", value: output };
  const parsed = /^\s*[[{]/.test(text) && text.length < MAX_PARSED ? tryJson(text) : undefined;
  if (parsed === undefined) return { kind: "text", text };
  const inner = blocksOf(parsed);
  return inner ? { kind: "blocks", blocks: inner } : { kind: "json", value: parsed };
}

function toEdit(edit: unknown): Edit | null {
  if (!isRecord(edit)) return null;
  const { old_string: before, new_string: after } = edit;
  return typeof before === "string" && typeof after === "string" ? { before, after } : null;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
