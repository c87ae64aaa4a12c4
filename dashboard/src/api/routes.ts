/** The manager's routes as functions: only paths, parameters and types. */

import type { Answer } from "../question";
import { dayStart } from "../text/address/days";
import { momentOf } from "../text/address/moments";
import { fileNameOf } from "../text/file-name";
import {
  type ExportFormat,
  type Facets,
  type OpenQuestion,
  type OutlinePage,
  parseEvent,
  type QuestionPage,
  type Run,
  type RunRequest,
  SEARCH_KINDS,
  type SearchAnswer,
  type SearchFilter,
  type Session,
  type SessionEvent,
  type SessionFilter,
  type SessionPage,
  type UsageAnswer,
  type UsageGroup,
  type WireEvent,
} from "../wire";
import { UnreachableError } from "./errors";
import { open, type Query, request } from "./request";

const SESSIONS_PER_PAGE = 100;
/** For what needs all sessions of a list. */
export const MOST_PER_PAGE = 1000;

/** Load a page of a list; the first one has the number of all its sessions. */
export function listSessions(
  filter: SessionFilter,
  page: string | null,
  signal?: AbortSignal,
  limit = SESSIONS_PER_PAGE,
): Promise<SessionPage> {
  const query: Query = { ...queryOf(filter), totals: page === null || null, limit, page };
  return request<SessionPage>("sessions", { query, ...(signal && { signal }) });
}

/** Load all sessions of a list. */
export async function loadSessions(filter: SessionFilter, signal?: AbortSignal): Promise<readonly Session[]> {
  const sessions: Session[] = [];
  let page: string | null = null;
  do {
    const answer: SessionPage = await listSessions(filter, page, signal, MOST_PER_PAGE);
    sessions.push(...answer.sessions);
    page = answer.next_page;
  } while (page !== null);
  return sessions;
}

/** Count the sessions of a list. */
export async function countSessions(filter: SessionFilter, signal?: AbortSignal): Promise<number> {
  const answer = await listSessions(filter, null, signal, 1);
  return answer.total ?? answer.sessions.length;
}

function queryOf(filter: SessionFilter): Query {
  const now = Date.now();
  const time = (moment: number | null) => (moment === null ? null : new Date(moment).toISOString());
  return {
    ...filter,
    text: filter.text.trim(),
    project: filter.project.trim(),
    since: time(momentOf(filter.since, now)),
    until: time(momentOf(filter.until, now, true)),
    archived: filter.archived === "all" ? null : filter.archived,
    top_level: filter.top_level || null,
  };
}

export async function getSession(sessionId: string, signal?: AbortSignal): Promise<Session> {
  const answer = await request<{ session: Session }>(sessionPath(sessionId), { ...(signal && { signal }) });
  return answer.session;
}

export async function listRuns(sessionId: string, signal?: AbortSignal): Promise<readonly Run[]> {
  const answer = await request<{ runs: Run[] }>(`${sessionPath(sessionId)}/runs`, {
    ...(signal && { signal }),
  });
  return answer.runs;
}

export async function getResult(sessionId: string): Promise<string> {
  return (await request<{ result: string }>(`${sessionPath(sessionId)}/result`)).result;
}

/** Load the export of a session. Its type is neutral: a page of this origin can never show it. */
export async function exportSession(sessionId: string, format: ExportFormat): Promise<File> {
  const answer = await open(`${sessionPath(sessionId)}/export`, { query: { format }, accept: "*/*" });
  const name = fileNameOf(answer.headers.get("Content-Disposition"), "session");
  try {
    return new File([await answer.arrayBuffer()], name, { type: "application/octet-stream" });
  } catch (cause) {
    throw new UnreachableError(cause);
  }
}

export interface EventQuery {
  readonly after_seq?: number;
  readonly before_seq?: number;
  readonly limit: number;
  readonly event_type?: string;
  readonly has_error?: true;
}

export interface EventPage {
  readonly events: readonly SessionEvent[];
  readonly has_more: boolean;
}

export async function listEvents(
  sessionId: string,
  query: EventQuery,
  signal?: AbortSignal,
): Promise<EventPage> {
  const answer = await request<{ events: WireEvent[]; has_more: boolean }>(
    `${sessionPath(sessionId)}/events`,
    {
      query: { ...query },
      ...(signal && { signal }),
    },
  );
  return { events: answer.events.map(parseEvent), has_more: answer.has_more };
}

/** Load the outline of the events after a seq, as far as one page goes. */
export function getOutline(sessionId: string, after: number, signal?: AbortSignal): Promise<OutlinePage> {
  const query = { after_seq: after };
  return request<OutlinePage>(`${sessionPath(sessionId)}/outline`, { query, ...(signal && { signal }) });
}

const HITS_PER_PAGE = 30;

/** Find events by the words of their texts, from a page on. */
export function searchEvents(
  filter: SearchFilter,
  page: string | null,
  signal?: AbortSignal,
  limit = HITS_PER_PAGE,
): Promise<SearchAnswer> {
  const query: Query = {
    q: filter.query,
    kind: filter.kind === "all" ? SEARCH_KINDS : filter.kind,
    tool_name: filter.tool_name.trim(),
    has_error: filter.has_error || null,
    project: filter.project.trim(),
    project_dir: filter.project_dir,
    agent: filter.agent,
    executor: filter.executor.trim(),
    state: filter.state,
    archived: filter.archived === "all" ? null : filter.archived,
    session_id: filter.session_id,
    since: dayStart(filter.from)?.toISOString(),
    until: dayStart(filter.to, 1)?.toISOString(),
    sort: filter.sort,
    group: filter.by_session ? "session" : null,
    limit,
    page,
  };
  return request<SearchAnswer>("search", { query, ...(signal && { signal }) });
}

export async function renameSession(sessionId: string, session_name: string): Promise<Session> {
  return changeSession(sessionId, { session_name });
}

export async function archiveSession(sessionId: string, archived: boolean): Promise<Session> {
  return changeSession(sessionId, { archived });
}

/** Note the newest run whose end a person has seen; the number before it undoes that. */
export async function markSeen(sessionId: string, seen_run: number): Promise<Session> {
  return changeSession(sessionId, { seen_run });
}

async function changeSession(sessionId: string, body: Readonly<Record<string, unknown>>): Promise<Session> {
  return (await request<{ session: Session }>(sessionPath(sessionId), { method: "PATCH", body })).session;
}

export async function deleteSession(sessionId: string, force: boolean): Promise<void> {
  await request(sessionPath(sessionId), { method: "DELETE", query: { force: force || null } });
}

export async function requestStop(session: Session): Promise<void> {
  await request(`${sessionPath(session.session_id)}/runs/${session.run}/requests`, {
    method: "POST",
    body: { request_id: newId(), kind: "stop" },
  });
}

/** Send a message to the agent of the open run. */
export async function sendMessage(session: Session, text: string): Promise<RunRequest> {
  const answer = await request<{ request: RunRequest }>(requestsPath(session.session_id, session.run), {
    method: "POST",
    body: { request_id: newId(), kind: "message", payload: { text } },
  });
  return answer.request;
}

const SETTLING_SECONDS = 20;

/** Load a request, once it is settled or some seconds have passed. */
export async function awaitRequest(
  sessionId: string,
  { run, request_id }: RunRequest,
  signal?: AbortSignal,
): Promise<RunRequest> {
  const answer = await request<{ request: RunRequest }>(
    `${requestsPath(sessionId, run)}/${encodeURIComponent(request_id)}`,
    { query: { wait: SETTLING_SECONDS }, ...(signal && { signal }) },
  );
  return answer.request;
}

/** Load the questions that have waited longest; a page is more than a person can answer. */
export function listQuestions(signal?: AbortSignal): Promise<QuestionPage> {
  return request<QuestionPage>("questions", { query: { limit: 100 }, ...(signal && { signal }) });
}

/** Answer a question; return the answer that was stored first, which can be that of another client. */
export async function answerQuestion(question: OpenQuestion, payload: Answer): Promise<Answer> {
  const answer = await request<{ request: { payload: Answer } }>(
    `${sessionPath(question.session_id)}/runs/${question.run}/requests`,
    { method: "POST", body: { request_id: question.question_id, kind: "answer", payload } },
  );
  return answer.request.payload;
}

const MAX_USAGE_ROWS = 10_000;
const MAX_SESSION_ROWS = 200;

export interface UsageQuery {
  readonly bucket: "day" | "hour" | "all";
  readonly group: UsageGroup;
  readonly since: Date;
  readonly until: Date | null;
}

export function listUsage(query: UsageQuery, signal?: AbortSignal): Promise<UsageAnswer> {
  const { bucket, group, since, until } = query;
  return request<UsageAnswer>("usage", {
    query: {
      bucket,
      group,
      limit: group === "session" ? MAX_SESSION_ROWS : MAX_USAGE_ROWS,
      since: since.toISOString(),
      until: until?.toISOString(),
      time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      utc_offset_minutes: -since.getTimezoneOffset(),
    },
    ...(signal && { signal }),
  });
}

export function getFacets(signal?: AbortSignal): Promise<Facets> {
  return request<Facets>("facets", { ...(signal && { signal }) });
}

/** Exchange the one-time code of `ao-dashboard` for a page token. */
export async function exchangeCode(code: string): Promise<string> {
  return (await request<{ token: string }>("dashboard/token", { method: "POST", body: { code } })).token;
}

/** Revoke the token of this browser; all its tabs are signed out. */
export async function signOut(): Promise<void> {
  await request("dashboard/tokens/own", { method: "DELETE" });
}

export function openSessionsFeed(cursor: string | null, signal: AbortSignal): Promise<Response> {
  return open("sessions", { query: { cursor }, accept: "text/event-stream", signal });
}

export function openEventsFeed(
  sessionId: string,
  cursor: string | null,
  signal: AbortSignal,
): Promise<Response> {
  return open(`${sessionPath(sessionId)}/events`, {
    query: { cursor, follow: "forever" },
    accept: "text/event-stream",
    signal,
  });
}

function requestsPath(sessionId: string, run: number): string {
  return `${sessionPath(sessionId)}/runs/${run}/requests`;
}

function sessionPath(sessionId: string): string {
  return `sessions/${encodeURIComponent(sessionId)}`;
}

/** Return a random id; `crypto.randomUUID` exists only on https and on loopback. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
