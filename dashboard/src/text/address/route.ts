/** Routes of the page, in the fragment of the address: the server does not see them, and links can be shared. */

import {
  defaultSearch,
  type Order,
  SEARCH_KINDS,
  type SearchFilter,
  type SessionSort,
  SORTS,
  STATES,
} from "../../wire";
import { COST_GROUPS, COST_SPANS, type CostPlace, defaultCost } from "./cost-place";
import { dayStart } from "./days";
import { token, word } from "./session-query";

/** What the address of the list says. */
export interface ListAddress {
  /** The text of the filter box. */
  readonly query: string;
  readonly sort: SessionSort;
  readonly order: Order;
  /** Whether children are shown only below their parents. */
  readonly isTree: boolean;
}

export const defaultList: ListAddress = { query: "", sort: "created", order: "desc", isTree: false };

export type Route =
  /** `isAnswering` opens all questions. */
  | { readonly view: "now"; readonly isAnswering: boolean }
  | { readonly view: "cost"; readonly place: CostPlace }
  | { readonly view: "sessions"; readonly list: ListAddress }
  | { readonly view: "search"; readonly filter: SearchFilter }
  | {
      readonly view: "session";
      readonly sessionId: string;
      readonly seq: number | null;
      /** The search query by which the event was found; its words are marked. */
      readonly query: string | null;
      readonly part: SessionPart;
      /** The call whose subagent is shown alone. */
      readonly alone: number | null;
    }
  | { readonly view: "beside"; readonly pair: Pair }
  | { readonly view: "code"; readonly code: string; readonly place: string | null }
  | { readonly view: "unknown" };

export const SESSION_PARTS = ["conversation", "changes", "runs", "raw"] as const;
/** A part of the page of a session. */
export type SessionPart = (typeof SESSION_PARTS)[number];

/** The event that the address names on a side, and the search query by which it was found. */
export interface SidePlace {
  readonly seq: number | null;
  readonly query: string | null;
}

/** Two sessions beside each other. */
export interface Pair {
  readonly ids: readonly [string, string];
  readonly at: readonly [SidePlace, SidePlace];
  /** Whether they are shown as a table instead. */
  readonly isCompared: boolean;
}

/** The parameters of the address with the event of each side. */
const AT = ["left", "right"] as const;
const NOWHERE: SidePlace = { seq: null, query: null };
const SEQ = /^[1-9][0-9]{0,14}$/;

export function parseRoute(hash: string): Route {
  const fragment = hash.replace(/^#/, "");
  if (fragment.startsWith("code=")) return parseCode(fragment.slice("code=".length));
  const [path = "", query = ""] = split(fragment);
  const parts = path.split("/").filter(Boolean).map(decode);
  const [first, sessionId, seqWord, seq] = parts;
  const parameters = new URLSearchParams(query);
  if (first === undefined) return { view: "now", isAnswering: false };
  if (first === "questions" && sessionId === undefined) return { view: "now", isAnswering: true };
  if (first === "cost" && sessionId === undefined) return { view: "cost", place: parseCost(parameters) };
  if (first === "search" && sessionId === undefined)
    return { view: "search", filter: parseSearch(parameters) };
  if (first === "beside") return parsePair(parts.slice(1), parameters);
  if (first !== "sessions") return { view: "unknown" };
  if (sessionId === undefined) return { view: "sessions", list: parseList(parameters) };
  const part = oneOf(SESSION_PARTS, seqWord ?? "conversation");
  const place: Route = {
    view: "session",
    sessionId,
    seq: null,
    query: null,
    part: "conversation",
    alone: null,
  };
  if (part !== null && seq === undefined) return { ...place, part };
  if (seqWord === "seq" && SEQ.test(seq ?? "")) {
    const query = parameters.get("q") || null;
    return { ...place, seq: Number(seq), query };
  }
  if (seqWord === "alone" && SEQ.test(seq ?? ""))
    return { ...place, ...placeIn(parameters, "at"), alone: Number(seq) };
  return { view: "unknown" };
}

export function nowLink(): string {
  return "#/";
}

export function questionsLink(): string {
  return "#/questions";
}

export function costLink({ span, from, to, by }: CostPlace = defaultCost): string {
  const isDays = span === "days";
  return linkTo("#/cost", {
    span: isDays || span === defaultCost.span ? null : span,
    from: isDays ? from : null,
    to: isDays ? to : null,
    by: by === defaultCost.by ? null : by,
  });
}

export function sessionsLink(list: Partial<ListAddress> = {}): string {
  const { query, sort, isTree } = { ...defaultList, ...list };
  const order = list.order ?? naturalOrder(sort);
  const link = linkTo("#/sessions", {
    q: query.trim(),
    sort: sort === defaultList.sort ? null : sort,
    order: order === naturalOrder(sort) ? null : order,
    view: isTree ? "tree" : null,
  });
  return link.replaceAll("%3A", ":").replaceAll("%2F", "/"); // as people write them
}

/** The direction in which people want a column first: names from A, all else from the most. */
export function naturalOrder(sort: SessionSort): Order {
  return sort === "name" ? "asc" : "desc";
}

export function searchLink(filter: Partial<SearchFilter> = {}): string {
  const { query, archived, sort, has_error, by_session, ...rest } = { ...defaultSearch, ...filter };
  return linkTo("#/search", {
    q: query,
    ...rest,
    archived: archived === defaultSearch.archived ? null : archived,
    has_error: has_error ? "true" : null,
    sort: sort === defaultSearch.sort ? null : sort,
    by_session: by_session ? "true" : null,
  });
}

/** Return a link to a session, or to an event, or to an event that a search query has found. */
export function sessionLink(sessionId: string, seq?: number, query?: string): string {
  const base = `#/sessions/${encodeURIComponent(sessionId)}`;
  return seq === undefined ? base : linkTo(`${base}/seq/${seq}`, { q: query ?? null });
}

/** Return a link to a part of the page of a session. */
export function partLink(sessionId: string, part: SessionPart): string {
  return part === "conversation" ? sessionLink(sessionId) : `${sessionLink(sessionId)}/${part}`;
}

/** Return a link to two sessions beside each other. */
export function besideLink({ ids, at, isCompared }: Partial<Pair> & Pick<Pair, "ids">): string {
  const base = `#/beside/${ids.map(encodeURIComponent).join("/")}`;
  const places = AT.map((name, side) => parametersOf(name, at?.[side] ?? NOWHERE));
  return linkTo(isCompared ? `${base}/compare` : base, { ...places[0], ...places[1] });
}

/** Return a link to the subagent that a call has started, shown alone, or to an event of it. */
export function aloneLink(sessionId: string, callSeq: number, seq?: number, query?: string): string {
  const place = { seq: seq ?? null, query: query ?? null };
  return linkTo(`${sessionLink(sessionId)}/alone/${callSeq}`, parametersOf("at", place));
}

function parametersOf(name: string, { seq, query }: SidePlace): Readonly<Record<string, string | null>> {
  return seq === null ? {} : { [name]: String(seq), [`${name}_q`]: query };
}

/** Return a link as an address to copy. */
export function addressOf(link: string): string {
  return new URL(link, window.location.href).href;
}

function linkTo(path: string, parameters: Readonly<Record<string, string | null>>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}

/** Parse a code, which the place to open can follow: `CODE/sessions/ID`. */
function parseCode(text: string): Route {
  const at = text.indexOf("/");
  if (at < 0) return { view: "code", code: decode(text), place: null };
  return { view: "code", code: decode(text.slice(0, at)), place: `#${text.slice(at)}` };
}

function placeIn(parameters: URLSearchParams, name: string): SidePlace {
  const seq = parameters.get(name) ?? "";
  return SEQ.test(seq) ? { seq: Number(seq), query: parameters.get(`${name}_q`) || null } : NOWHERE;
}

function parsePair([left, right, word, more]: readonly string[], parameters: URLSearchParams): Route {
  const isWhole = left !== undefined && right !== undefined && more === undefined;
  if (!isWhole || !(word === undefined || word === "compare")) return { view: "unknown" };
  const at = [placeIn(parameters, "left"), placeIn(parameters, "right")] as const;
  return { view: "beside", pair: { ids: [left, right], at, isCompared: word === "compare" } };
}

function parseList(query: URLSearchParams): ListAddress {
  const sort = oneOf(SORTS, query.get("sort")) ?? defaultList.sort;
  return {
    query: query.get("q") ?? olderQuery(query),
    sort,
    order: oneOf(["asc", "desc"] as const, query.get("order")) ?? naturalOrder(sort),
    isTree: query.get("view") === "tree" || query.get("grouped") === "true",
  };
}

function parseCost(query: URLSearchParams): CostPlace {
  const [from, to] = [query.get("from") ?? "", query.get("to") ?? ""];
  const isDays = dayStart(from) !== null && dayStart(to) !== null && from <= to;
  return {
    span: isDays ? "days" : (oneOf(COST_SPANS, query.get("span")) ?? defaultCost.span),
    from: isDays ? from : "",
    to: isDays ? to : "",
    by: oneOf(COST_GROUPS, query.get("by")) ?? defaultCost.by,
  };
}

/** Read the filter of older links, which had a parameter for each field. */
function olderQuery(query: URLSearchParams): string {
  const older = [
    ["state", "state"],
    ["project", "project"],
    ["project_dir", "project"],
    ["agent", "agent"],
    ["agent_name", "agent"],
    ["parent_session_id", "parent"],
  ] as const;
  const tokens = older.flatMap(([name, now]) => {
    const value = query.get(name);
    return value ? [token(now, value)] : [];
  });
  const archived = { true: "archived:only", all: "archived:all" }[query.get("archived") ?? ""];
  const text = query.get("text")?.trim();
  return [...tokens, archived, text && word(text)].filter(Boolean).join(" ");
}

function parseSearch(query: URLSearchParams): SearchFilter {
  const day = (name: string) => (dayStart(query.get(name) ?? "") ? (query.get(name) ?? "") : "");
  return {
    query: query.get("q") ?? "",
    kind: oneOf([...SEARCH_KINDS, "all"] as const, query.get("kind")),
    tool_name: query.get("tool_name") ?? "",
    has_error: query.get("has_error") === "true",
    project: query.get("project") ?? "",
    project_dir: query.get("project_dir") || null,
    agent: query.get("agent") || null,
    executor: query.get("executor") ?? "",
    state: oneOf(STATES, query.get("state")),
    archived: oneOf(ARCHIVED, query.get("archived")) ?? defaultSearch.archived,
    session_id: query.get("session_id") || null,
    from: day("from"),
    to: day("to"),
    sort: query.get("sort") === "best" ? "best" : "newest",
    by_session: query.get("by_session") === "true",
  };
}

const ARCHIVED = ["false", "true", "all"] as const;

/** Return the choice that a text names, if any. */
export function oneOf<Choice extends string>(choices: readonly Choice[], text: string | null): Choice | null {
  return choices.find((choice) => choice === text) ?? null;
}

function split(fragment: string): [string, string] {
  const at = fragment.indexOf("?");
  return at < 0 ? [fragment, ""] : [fragment.slice(0, at), fragment.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
