/** The words of a session's row in the list. The functions are pure; "now" is a parameter. */

import { isRunning, type Session, type SessionState } from "../wire";
import { cost, hasCost, plural, wholeNumber } from "./format";

export type Tone = "bad" | "warn" | null;

export interface What {
  /** What the session is about. */
  readonly about: string | null;
  /** How it ended, or what it waits for. */
  readonly end: string | null;
  readonly tone: Tone;
}

export function whatOf(session: Session): What {
  return { about: session.title ?? session.prompt, ...endOf(session) };
}

function endOf({ state, attention, denied_calls, outcome, reason }: Session): Omit<What, "about"> {
  const text = attention?.text ?? "";
  if (attention?.kind === "asks") return { end: `asks: ${text}`, tone: "warn" };
  if (attention?.kind === "quiet") return { end: text ? `quiet in ${text}` : "quiet", tone: "warn" };
  if (state === "failed" || state === "lost") return { end: outcome ?? reason, tone: "bad" };
  if (state === "finished" && denied_calls > 0) {
    const denied = `${plural(denied_calls, "call")} denied`;
    return { end: outcome ? `${denied}; ${outcome}` : denied, tone: "warn" };
  }
  return { end: outcome, tone: null };
}

/** The sign of a row: the state, or that an end looks better than it is. */
export function markOf({ state, denied_calls }: Session): SessionState | "denied" {
  return state === "finished" && denied_calls > 0 ? "denied" : state;
}

/** The cost of all runs; null if the session had nothing to pay for. */
export function costWords(session: Session): string | null {
  const { usage } = session;
  if (hasCost(usage) || isRunning(session)) return cost(usage, isRunning(session));
  return session.executor === "command" ? null : "unknown";
}

export function tokensOf({ usage }: Session): number {
  const { input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens } = usage;
  return input_tokens + output_tokens + cache_read_tokens + cache_creation_tokens;
}

/** Seconds of all runs, including the one that is open. */
export function tookSeconds({ took_seconds, started_at, finished_at }: Session, now: number): number {
  const open = finished_at === null ? Math.max(0, now - Date.parse(started_at)) / 1000 : 0;
  return took_seconds + open;
}

/** The numbers of waiting, failed and running sessions below a session, and the worst state; null without any. */
export function childrenWords(session: Session): { words: string; worst: SessionState } | null {
  const { children_waiting, children_failed, children_running } = session;
  const counts = [
    ["waiting", children_waiting],
    ["failed", children_failed],
    ["running", children_running - children_waiting],
  ] as const;
  const told = counts.filter(([, count]) => count > 0);
  const worst = told[0]?.[0];
  if (worst === undefined) return null;
  const sum = told.reduce((all, [, count]) => all + count, 0);
  const { child_count } = session;
  const children = `${wholeNumber(child_count)} ${child_count === 1 ? "child" : "children"}`;
  // The states also count the children of children.
  const whose = sum <= child_count ? children : `${children} and theirs`;
  return { words: `${whose}: ${told.map(([state, count]) => `${count} ${state}`).join(", ")}`, worst };
}

/** The last part of a path: the name by which people know a project. */
export function projectName(path: string): string {
  return path.split("/").findLast(Boolean) ?? path;
}

/** The name of a model without its maker's prefix and its date. */
export function modelName(model: string): string {
  return model.replace(/^(?:[^/]*\/)?(?:claude-)?/, "").replace(/-\d{8}$/, "") || model;
}
