/** Summarises a tool call in one line, and chooses the form in which to show its input and output. */

import { isRecord } from "../../wire";
import { shortPath } from "../format";
import { type Block, blocksOf } from "./blocks";

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

const PATHS = ["file_path", "filePath", "notebook_path", "absolute_path", "path"];
const PATCH = "*** Begin Patch";

/** Agents name their tools differently, so the form of the input decides. */
export function inputOf(toolName: string, input: Input): CallInput {
  const path = PATHS.map((name) => input[name]).find((value) => typeof value === "string") ?? "";
  const edits = (Array.isArray(input.edits) ? input.edits : [input])
    .map(toEdit)
    .filter((edit) => edit !== null);
  if (edits.length > 0) return { kind: "edits", path: String(path), edits };
  const { command, content, ...rest } = input;
  if (path !== "" && typeof content === "string" && /write|create/i.test(toolName)) {
    return { kind: "file", path: String(path), text: content };
  }
  if (typeof command === "string" && toolName === "Bash") {
    return { kind: "command", command, rest: content === undefined ? rest : { content, ...rest } };
  }
  return { kind: "other", input };
}

/** Return the patch in an input, in the form of Codex. */
export function patchIn(input: Input): string | null {
  const found = Object.values(input).find((value) => typeof value === "string" && value.includes(PATCH));
  return typeof found === "string" ? found.slice(found.indexOf(PATCH)) : null;
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
  const before = edit.old_string ?? edit.oldText;
  const after = edit.new_string ?? edit.newText;
  return typeof before === "string" && typeof after === "string" ? { before, after } : null;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
