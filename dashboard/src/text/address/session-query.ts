/** The filter of the list of sessions as one line of text: words, and tokens such as `state:failed`.
 *
 * A value with spaces is quoted: `project:"my shop"`. A quoted word is never a token. What cannot be applied is left
 * out of the filter and reported as a problem, so that a mistake never looks like an empty list.
 */

import {
  ATTENTION_KINDS,
  defaultFilter,
  REASONS,
  type SearchFilter,
  type SessionFilter,
  STATES,
} from "../../wire";
import { NEEDING } from "../attention";
import { momentOf } from "./moments";
import { nearest } from "./nearest";

/** A word or a token, with its place in the text. */
export interface Part {
  /** Null for a word. */
  readonly name: string | null;
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

export interface QueryProblem {
  readonly words: string;
  /** The whole text with the nearest token in place of the wrong one, and that token; null if none is near. */
  readonly fix: { readonly token: string; readonly query: string } | null;
  /** The search that answers it in place of this list. */
  readonly search?: Pick<SearchFilter, "query" | "project" | "agent">;
}

export interface ParsedQuery {
  readonly filter: SessionFilter;
  readonly problems: readonly QueryProblem[];
}

type Change = Partial<SessionFilter>;

interface TokenKind {
  /** What a value is, for people. */
  readonly expects: string;
  /** All values, or examples of them. */
  readonly values: readonly string[];
  /** Whether several tokens of the kind match any of their values. */
  readonly isList?: true;
  /** Return what the value changes; null if it is not one. */
  read(value: string, filter: SessionFilter): Change | null;
}

const ARCHIVED = { only: "true", all: "all", hide: "false" } as const;

export const TOKENS = {
  state: {
    expects: `one of ${STATES.join(", ")}`,
    values: STATES,
    isList: true,
    read: (value, { state }) => member(STATES, value, (one) => ({ state: [...state, one] })),
  },
  needs: {
    expects: "me",
    values: ["me"],
    read: (value) => (value === "me" ? { attention: NEEDING } : null),
  },
  attention: {
    expects: `one of ${ATTENTION_KINDS.join(", ")}`,
    values: ATTENTION_KINDS,
    isList: true,
    read: (value, { attention }) =>
      member(ATTENTION_KINDS, value, (one) => ({ attention: [...attention, one] })),
  },
  project: { expects: "a part of a path", values: [], read: (project) => ({ project }) },
  agent: { expects: "the name of an agent", values: [], read: (agent) => ({ agent }) },
  model: { expects: "a part of a model's name", values: [], read: (model) => ({ model }) },
  since: {
    expects: "a time such as 7d, 12h, today or 2026-11-20",
    values: ["today", "yesterday", "7d", "30d"],
    read: (since) => (momentOf(since, 0) === null ? null : { since }),
  },
  until: {
    expects: "a time such as 7d, 12h, yesterday or 2026-11-20",
    values: ["yesterday", "7d", "30d"],
    read: (until) => (momentOf(until, 0) === null ? null : { until }),
  },
  cost: {
    expects: "dollars, such as >1 or >0.25",
    values: [">0.1", ">1", ">10"],
    read(value) {
      const dollars = /^>(\d{1,9}(?:\.\d{1,6})?)$/.exec(value);
      return dollars && { cost_over: Number(dollars[1]) };
    },
  },
  has: {
    expects: "denied or notices",
    values: ["denied", "notices"],
    isList: true,
    read: (value) =>
      value === "denied" ? { denied: true } : value === "notices" ? { has_notices: true } : null,
  },
  reason: {
    expects: `one of ${REASONS.join(", ")}`,
    values: REASONS,
    isList: true,
    read: (value, { reason }) => member(REASONS, value, (one) => ({ reason: [...reason, one] })),
  },
  host: { expects: "the name of a machine", values: [], read: (host) => ({ host }) },
  archived: {
    expects: "only, all or hide",
    values: ["only", "all"],
    read: (value) =>
      member(Object.keys(ARCHIVED) as (keyof typeof ARCHIVED)[], value, (one) => ({
        archived: ARCHIVED[one],
      })),
  },
  parent: {
    expects: "the id of a session",
    values: [],
    read: (parent_session_id) => ({ parent_session_id }),
  },
  file: {
    expects: "a path: leads to the search for it",
    values: [],
    isList: true,
    read: () => ({}), // `parseQuery` leads to the search
  },
  text: {
    expects: "words",
    values: [],
    isList: true,
    read: (value, { text }) => ({ text: `${text} ${value}`.trim() }),
  },
} as const satisfies Readonly<Record<string, TokenKind>>;

export type TokenName = keyof typeof TOKENS;

export const TOKEN_NAMES = Object.keys(TOKENS) as TokenName[];

/** Split a query at its spaces outside of quotes. */
export function partsOf(query: string): readonly Part[] {
  return [...query.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)].map(({ 0: source, index: start }) => {
    const token = /^([a-z_]+):(?!\/\/)(.*)$/s.exec(source);
    const end = start + source.length;
    if (token === null) return { name: null, value: unquoted(source), start, end };
    return { name: token[1] ?? "", value: unquoted(token[2] ?? ""), start, end };
  });
}

/** Parse a query. A token without a value is still being typed: it has no effect and is not a problem. */
export function parseQuery(query: string): ParsedQuery {
  const problems: QueryProblem[] = [];
  const used = new Set<string>();
  let filter = defaultFilter;
  for (const part of partsOf(query)) {
    const { name, value } = part;
    const kind = name === null ? TOKENS.text : kindOf(name);
    if (kind === null) {
      const near = nearest(name ?? "", TOKEN_NAMES);
      problems.push({
        words: `“${name}:” is not a filter.`,
        fix: near === null ? null : fixed(query, part, token(near, value)),
      });
      continue;
    }
    if (value === "") continue;
    const change = kind.read(value, filter);
    if (change === null) {
      const near = nearest(value, kind.values);
      problems.push({
        words: `“${name}:” needs ${kind.expects}, not “${value}”.`,
        fix: near === null ? null : fixed(query, part, token(name as TokenName, near)),
      });
      continue;
    }
    if (name !== null && !kind.isList && used.has(name)) {
      problems.push({ words: `Only the last “${name}:” applies.`, fix: null });
    }
    if (name !== null) used.add(name);
    filter = { ...filter, ...change };
  }
  const files = partsOf(query).filter(({ name, value }) => name === "file" && value !== "");
  if (files.length > 0) {
    const search = files.map(({ value }) => token("file", value)).join(" ");
    const { project, agent } = filter;
    problems.push({
      words: "Sessions have no filter by file, but Search knows the calls that name one.",
      fix: null,
      search: { query: search, project, agent },
    });
  }
  return { filter, problems };
}

/** Write a token; a value is quoted if it needs it. */
export function token(name: TokenName, value: string): string {
  return `${name}:${quoted(value)}`;
}

/** Write a word that is not a token. */
export function word(text: string): string {
  return partsOf(text).length === 1 && partsOf(text)[0]?.name === null ? quoted(text) : `"${bare(text)}"`;
}

/** Return the query with a part in place of another, or at its end. */
export function withPart(query: string, text: string, part: Pick<Part, "start" | "end"> | null): string {
  if (part !== null) return query.slice(0, part.start) + text + query.slice(part.end);
  return query.trim() === "" ? text : `${query.trimEnd()} ${text}`;
}

export function kindOf(name: string): TokenKind | null {
  return Object.hasOwn(TOKENS, name) ? TOKENS[name as TokenName] : null;
}

function fixed(query: string, part: Part, text: string): QueryProblem["fix"] {
  return { token: text, query: withPart(query, text, part) };
}

function member<Value extends string>(
  values: readonly Value[],
  text: string,
  change: (value: Value) => Change,
): Change | null {
  const value = values.find((each) => each === text.toLowerCase());
  return value === undefined ? null : change(value);
}

function quoted(value: string): string {
  return /^[^\s"]+$/.test(value) ? value : `"${bare(value)}"`;
}

function unquoted(source: string): string {
  return source.replaceAll('"', "");
}

/** Return a text without the quotes that it cannot have: there is no way to write them. */
function bare(text: string): string {
  return text.replaceAll('"', "");
}
