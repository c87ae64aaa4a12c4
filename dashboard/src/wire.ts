/** The server's types as the page uses them: generated types, and events as a union by kind. */

import { answerText, type Question, questionOf } from "./question";
import type { components } from "./types.gen";

type Schemas = components["schemas"];

export type Usage = Schemas["UsageBody"];
export type UsageRow = Schemas["UsageRowBody"];
export type Run = Schemas["RunBody"];
export type UsageAnswer = Schemas["UsageAnswer"];
export type UsageGroup = "none" | "project" | "agent" | "model" | "session";
export type Session = Schemas["SessionBody"];
export type SessionState = Schemas["State"];
export type SessionSort = Schemas["SessionSort"];
export type Reason = Schemas["Reason"];
export type AttentionKind = Schemas["AttentionKind"];
export type ExportFormat = Schemas["ExportFormat"];
export type Facets = Schemas["FacetsAnswer"];
export type WireEvent = Schemas["EventBody"];
export type SearchAnswer = Schemas["SearchAnswer"];
export type OpenQuestion = Schemas["QuestionBody"];
export type QuestionPage = Schemas["QuestionsAnswer"];
export type OutlinePage = Schemas["OutlineAnswer"];
export type OutlineEntry = Schemas["OutlineEntryBody"];
export type RunRequest = Schemas["RequestBody"];
export type Hit = Schemas["HitBody"];
export type Snippet = Schemas["SnippetBody"];
export type FoundSession = Schemas["FoundSessionBody"];
export type SearchKind = Schemas["Kind"];
export type SearchSort = Schemas["SearchSort"];

/** Return whether the newest run is open: a session that waits for a person is running, too. */
export function isRunning({ state }: Pick<Session, "state">): boolean {
  return state === "running" || state === "waiting";
}

/** Return whether a person works in the session, in a program that was started by hand. */
export function isByHand(session: Session): boolean {
  return isRunning(session) && session.imported;
}

/** Return whether the newest run has a supervisor, or may have one, that stops it on request. */
export function takesRequests(session: Session): boolean {
  return isRunning(session) && !session.imported;
}

/** A page of the list; it has the cursor of the feed, and the key of the next page, if any. */
export interface SessionPage {
  readonly sessions: readonly Session[];
  readonly next_page: string | null;
  readonly cursor: string;
  /** Number of sessions that match the filter; only of a first page. */
  readonly total?: number | null;
}

export const STATES = [
  "waiting",
  "running",
  "finished",
  "failed",
  "stopped",
  "lost",
] as const satisfies SessionState[];
export const REASONS = [
  "completed",
  "failed",
  "stopped",
  "timeout",
  "budget",
  "lost",
] as const satisfies Reason[];
export const ATTENTION_KINDS = [
  "asks",
  "failed",
  "denied",
  "quiet",
  "question",
  "done",
] as const satisfies AttentionKind[];
export const SORTS = ["created", "activity", "name", "cost", "took"] as const satisfies SessionSort[];
export type Order = "asc" | "desc";

/** Which sessions a list has. Of a list of values, one must match; an empty list or text, and null, match all. */
export interface SessionFilter {
  /** Part of the name, project, agent or id. */
  readonly text: string;
  readonly state: readonly SessionState[];
  readonly attention: readonly (AttentionKind | "any")[];
  readonly reason: readonly Reason[];
  /** Part of the project's path. */
  readonly project: string;
  readonly agent: string | null;
  /** Part of the model's name. */
  readonly model: string;
  readonly host: string | null;
  /** Bounds of the last activity, as `text/address/moments.ts` reads them. */
  readonly since: string;
  readonly until: string;
  /** In dollars. */
  readonly cost_over: number | null;
  readonly denied: boolean | null;
  readonly has_notices: boolean | null;
  readonly parent_session_id: string | null;
  readonly archived: "false" | "true" | "all";
  readonly sort: SessionSort;
  readonly order: Order;
  /** Only sessions without a parent. */
  readonly top_level: boolean;
}

export const defaultFilter: SessionFilter = {
  text: "",
  state: [],
  attention: [],
  reason: [],
  project: "",
  agent: null,
  model: "",
  host: null,
  since: "",
  until: "",
  cost_over: null,
  denied: null,
  has_notices: null,
  parent_session_id: null,
  archived: "false",
  sort: "created",
  order: "desc",
  top_level: false,
};

export const SEARCH_KINDS = [
  "message",
  "thinking",
  "tool_input",
  "tool_output",
  "error",
  "note",
] as const satisfies SearchKind[];

export interface SearchFilter {
  readonly query: string;
  /** "all" includes thinking; null does not. */
  readonly kind: SearchKind | "all" | null;
  readonly tool_name: string;
  readonly has_error: boolean;
  /** Part of the project's path. */
  readonly project: string;
  readonly project_dir: string | null;
  readonly agent: string | null;
  readonly executor: string;
  readonly state: SessionState | null;
  readonly archived: "false" | "true" | "all";
  readonly session_id: string | null;
  /** The first and the last local day, as YYYY-MM-DD; empty for no limit. */
  readonly from: string;
  readonly to: string;
  readonly sort: SearchSort;
  /** Show only the first hit of each session. */
  readonly by_session: boolean;
}

export const defaultSearch: SearchFilter = {
  query: "",
  kind: null,
  tool_name: "",
  has_error: false,
  project: "",
  project_dir: null,
  agent: null,
  executor: "",
  state: null,
  archived: "all",
  session_id: null,
  from: "",
  to: "",
  sort: "newest",
  by_session: false,
};

interface EventBase {
  readonly seq: number;
  readonly run: number | null;
  readonly late: boolean;
  readonly recorded_at: string;
  /** When it happened: for an imported event before it was recorded. */
  readonly at: string;
  readonly event_type: string;
  /** The call that started the subagent to which the event belongs. */
  readonly parent_tool_use_id: string | null;
  readonly error: string | null;
  /** Whether a fork has copied it from another session. */
  readonly inherited: boolean;
  /** The id that all parts of one message share. */
  readonly message_id: string | null;
  /** The original event, to show all its fields. */
  readonly wire: WireEvent;
}

export type SessionEvent = EventBase &
  (
    | {
        readonly kind: "message";
        readonly role: string;
        readonly text: string;
        /** The origin of a message of the role `user` that no person wrote. */
        readonly origin: string | null;
      }
    | { readonly kind: "thinking"; readonly text: string }
    | {
        readonly kind: "pre_tool";
        readonly tool_name: string;
        readonly tool_input: Readonly<Record<string, unknown>>;
        readonly tool_use_id: string | null;
      }
    | {
        readonly kind: "post_tool";
        readonly tool_name: string;
        readonly tool_output: unknown;
        readonly tool_use_id: string | null;
      }
    | { readonly kind: "permission_denied"; readonly tool_name: string; readonly tool_use_id: string | null }
    | { readonly kind: "permission_request"; readonly question: Question }
    | {
        readonly kind: "permission_decided";
        readonly decision: string;
        readonly by: string | null;
        readonly text: string;
      }
    | { readonly kind: "subagent_start"; readonly subagent_type: string; readonly description: string }
    | { readonly kind: "subagent_stop"; readonly status: string; readonly text: string }
    | {
        readonly kind: "retry";
        readonly attempt: number | null;
        readonly max_retries: number | null;
        readonly delay_seconds: number | null;
      }
    | { readonly kind: "usage"; readonly usage: Partial<Usage> }
    | { readonly kind: "model_request" }
    | { readonly kind: "diagnostic"; readonly text: string }
    | { readonly kind: "stderr"; readonly text: string }
    | { readonly kind: "session_stop"; readonly reason: string | null; readonly exit_code: number | null }
    | { readonly kind: "other"; readonly text: string }
  );

export type EventOf<Kind extends SessionEvent["kind"]> = Extract<SessionEvent, { kind: Kind }>;

/** Parse an event. Clients may send any fields for any type, so every field is checked. */
export function parseEvent(wire: WireEvent): SessionEvent {
  const base: EventBase = {
    seq: wire.seq,
    run: wire.run ?? null,
    late: wire.late,
    recorded_at: wire.recorded_at,
    at: wire.occurred_at ?? wire.recorded_at,
    event_type: wire.event_type,
    parent_tool_use_id: asText(wire.parent_tool_use_id),
    error: wire.error ?? null,
    inherited: wire.inherited === true,
    message_id: asText(wire.continues) ?? wire.event_id ?? null,
    wire,
  };
  const text = textOf(wire.content);
  const tool_name = wire.tool_name ?? "tool";
  const tool_use_id = asText(wire.tool_use_id);
  switch (wire.event_type) {
    case "message":
      return { ...base, kind: "message", role: wire.role ?? "assistant", text, origin: asText(wire.origin) };
    case "thinking":
      return { ...base, kind: "thinking", text };
    case "pre_tool":
      return { ...base, kind: "pre_tool", tool_name, tool_input: wire.tool_input ?? {}, tool_use_id };
    case "post_tool":
      return { ...base, kind: "post_tool", tool_name, tool_output: wire.tool_output ?? null, tool_use_id };
    case "permission_denied":
      return { ...base, kind: "permission_denied", tool_name, tool_use_id };
    case "permission_request":
      return { ...base, kind: "permission_request", question: questionOf(wire) };
    case "permission_decided":
      return {
        ...base,
        kind: "permission_decided",
        decision: asText(wire.decision) ?? "decided",
        by: asText(wire.by),
        text: answerText(wire),
      };
    case "subagent_start":
      return {
        ...base,
        kind: "subagent_start",
        subagent_type: asText(wire.subagent_type) ?? "subagent",
        description: asText(wire.description) ?? "",
      };
    case "subagent_stop":
      return { ...base, kind: "subagent_stop", status: asText(wire.status) ?? "ended", text };
    case "retry":
      return {
        ...base,
        kind: "retry",
        attempt: asNumber(wire.attempt),
        max_retries: asNumber(wire.max_retries),
        delay_seconds: asNumber(wire.delay_seconds),
      };
    case "usage":
      // The usage of a single model request is a detail of the sums, not a step of the session.
      if (asText(wire.request_id) !== null) return { ...base, kind: "model_request" };
      return { ...base, kind: "usage", usage: asUsage(wire.usage) };
    case "diagnostic":
      return { ...base, kind: "diagnostic", text };
    case "stderr":
      return { ...base, kind: "stderr", text };
    case "session_stop":
      return {
        ...base,
        kind: "session_stop",
        reason: wire.reason ?? null,
        exit_code: wire.exit_code ?? null,
      };
    default:
      return { ...base, kind: "other", text };
  }
}

/** Return the program and arguments of a run of the executor for programs; otherwise an empty list. */
export function commandOf(run: Pick<Run, "spec">): readonly string[] {
  const command = run.spec?.command;
  return Array.isArray(command) ? command.filter((word) => typeof word === "string") : [];
}

/** Return the texts of content blocks, joined by line breaks. */
export function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content
    .map((block: unknown) => (isRecord(block) && typeof block.text === "string" ? block.text : null))
    .filter((text) => text !== null)
    .join("\n");
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asText(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function asNumber(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function asUsage(value: unknown): Partial<Usage> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([, count]) => typeof count === "number"));
}
