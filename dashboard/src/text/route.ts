/** Routes of the page, in the fragment of the address: the server does not see them, and links can be shared. */

import { defaultFilter, type SessionFilter, SORTS, STATES } from "../wire";

export type Route =
  | { readonly view: "overview" }
  | { readonly view: "sessions"; readonly filter: SessionFilter }
  | { readonly view: "session"; readonly sessionId: string; readonly seq: number | null }
  | { readonly view: "code"; readonly code: string; readonly place: string | null }
  | { readonly view: "unknown" };

export function parseRoute(hash: string): Route {
  const fragment = hash.replace(/^#/, "");
  if (fragment.startsWith("code=")) return parseCode(fragment.slice("code=".length));
  const [path = "", query = ""] = split(fragment);
  const parts = path.split("/").filter(Boolean).map(decode);
  const [first, sessionId, seqWord, seq] = parts;
  if (first === undefined) return { view: "overview" };
  if (first !== "sessions") return { view: "unknown" };
  if (sessionId === undefined) return { view: "sessions", filter: parseFilter(new URLSearchParams(query)) };
  if (seqWord === undefined) return { view: "session", sessionId, seq: null };
  if (seqWord === "seq" && /^[1-9][0-9]{0,14}$/.test(seq ?? "")) {
    return { view: "session", sessionId, seq: Number(seq) };
  }
  return { view: "unknown" };
}

export function overviewLink(): string {
  return "#/";
}

export function sessionsLink(filter: SessionFilter = defaultFilter): string {
  const query = new URLSearchParams();
  if (filter.text) query.set("text", filter.text);
  if (filter.state) query.set("state", filter.state);
  if (filter.project) query.set("project", filter.project);
  if (filter.project_dir) query.set("project_dir", filter.project_dir);
  if (filter.agent) query.set("agent", filter.agent);
  if (filter.parent_session_id) query.set("parent_session_id", filter.parent_session_id);
  if (filter.archived !== defaultFilter.archived) query.set("archived", filter.archived);
  if (filter.sort !== defaultFilter.sort) query.set("sort", filter.sort);
  if (filter.grouped) query.set("grouped", "true");
  const text = query.toString();
  return text ? `#/sessions?${text}` : "#/sessions";
}

export function sessionLink(sessionId: string, seq?: number): string {
  const base = `#/sessions/${encodeURIComponent(sessionId)}`;
  return seq === undefined ? base : `${base}/seq/${seq}`;
}

/** Parse a code, which the place to open can follow: `CODE/sessions/ID`. */
function parseCode(text: string): Route {
  const at = text.indexOf("/");
  if (at < 0) return { view: "code", code: decode(text), place: null };
  return { view: "code", code: decode(text.slice(0, at)), place: `#${text.slice(at)}` };
}

function parseFilter(query: URLSearchParams): SessionFilter {
  const archived = query.get("archived");
  return {
    text: query.get("text") ?? "",
    state: STATES.find((state) => state === query.get("state")) ?? null,
    project: query.get("project") ?? "",
    project_dir: query.get("project_dir") || null,
    agent: query.get("agent") || query.get("agent_name") || null, // its word in older links
    parent_session_id: query.get("parent_session_id") || null,
    archived: archived === "true" || archived === "all" ? archived : "false",
    sort: SORTS.find((sort) => sort === query.get("sort")) ?? defaultFilter.sort,
    grouped: query.get("grouped") === "true",
  };
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
