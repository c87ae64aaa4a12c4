/** What can be typed at the caret of the filter: names of tokens, then their values. */

import {
  kindOf,
  type Part,
  partsOf,
  TOKEN_NAMES,
  TOKENS,
  type TokenName,
  token,
  withPart,
} from "./session-query";

/** Values that only the manager or the loaded sessions know. */
export interface KnownValues {
  readonly project: readonly KnownValue[];
  readonly agent: readonly KnownValue[];
  readonly model: readonly KnownValue[];
  readonly host: readonly KnownValue[];
}

export interface KnownValue {
  readonly value: string;
  /** Number of sessions with it, if known. */
  readonly count?: number;
}

export interface Suggestion {
  /** The token, or its beginning. */
  readonly text: string;
  readonly hint: string;
  /** The query with it, and where the caret is then. */
  readonly query: string;
  readonly caret: number;
}

const MAX_SHOWN = 12;

export function suggest(query: string, caret: number, known: KnownValues): readonly Suggestion[] {
  const part = partsOf(query).find(({ start, end }) => start < caret && caret <= end) ?? null;
  const texts = part?.name ? values(part.name, part.value, known) : names(part, query);
  const typed = part && query.slice(part.start, part.end);
  return texts
    .filter(({ text }) => text !== typed)
    .slice(0, MAX_SHOWN)
    .map((each) => ({ ...each, ...completed(query, caret, part, each.text) }));
}

type Text = Pick<Suggestion, "text" | "hint">;

function names(part: Part | null, query: string): readonly Text[] {
  const typed = part === null ? "" : query.slice(part.start, part.end).toLowerCase();
  return TOKEN_NAMES.filter((name) => name.startsWith(typed)).map((name) => ({
    text: `${name}:`,
    hint: TOKENS[name].expects,
  }));
}

function values(name: string, typed: string, known: KnownValues): readonly Text[] {
  const kind = kindOf(name);
  if (kind === null) return [];
  const all: readonly KnownValue[] = Object.hasOwn(known, name)
    ? known[name as keyof KnownValues]
    : kind.values.map((value) => ({ value }));
  const part = typed.toLowerCase();
  return all
    .filter(({ value }) => value.toLowerCase().includes(part))
    .map(({ value, count }) => ({
      text: token(name as TokenName, value),
      hint: count === undefined ? "" : String(count),
    }));
}

/** Put a suggestion in place of the typed text; after a whole token the next word can follow. */
function completed(query: string, caret: number, part: Part | null, text: string) {
  const written = text.endsWith(":") ? text : `${text} `;
  const place = part ?? { start: caret, end: caret };
  const rest = { ...place, end: place.end + (written.endsWith(" ") && query[place.end] === " " ? 1 : 0) };
  const before = query.slice(0, place.start);
  const gap = before === "" || before.endsWith(" ") ? "" : " ";
  return { query: withPart(query, gap + written, rest), caret: (before + gap + written).length };
}
