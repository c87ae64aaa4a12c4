/** Says in one line what a session expects of a person; the manager derives the kind. */

import { questionOf, subjectOf } from "../question";
import type { AttentionKind, OpenQuestion, Session } from "../wire";
import { duration, plural, shortPath } from "./format";
import { oneLine } from "./visible";

/** The kinds that need a person, the most urgent first. A session that is only `done` needs none. */
export const NEEDING = [
  "asks",
  "failed",
  "denied",
  "quiet",
  "question",
] as const satisfies readonly AttentionKind[];

/** The kinds that end when a person has seen the end of the run. */
export const SEEABLE: readonly AttentionKind[] = ["failed", "denied", "question", "done"];

/** Return whether a person can mark the end of the newest run as seen. */
export function isSeeable({ attention }: Pick<Session, "attention">): boolean {
  return attention !== null && SEEABLE.includes(attention.kind);
}

/** Return the reason of the attention as a sentence, for example "asks: staging or production?". */
export function reasonOf(session: Session, now: number, question?: OpenQuestion): string {
  const { attention } = session;
  if (attention === null) return "";
  const text = oneLine(attention.text ?? "").trim();
  switch (attention.kind) {
    case "asks":
      return question ? wordsOfQuestion(question) : `asks${text && `: ${text}`}`;
    case "failed":
      return text;
    case "denied":
      return `${plural(session.denied_calls, "call")} ${session.denied_calls === 1 ? "was" : "were"} denied${text && `: ${text}`}`;
    case "quiet":
      return `quiet for ${duration((now - Date.parse(attention.since)) / 1000)}${text && `; newest: ${text}`}`;
    case "question":
      return `perhaps asks: “${text}”`;
    case "done":
      return text ? `“${text}”` : "ended without a text";
  }
}

function wordsOfQuestion({ event }: OpenQuestion): string {
  const question = questionOf(event);
  const subject = oneLine(subjectOf(question));
  return question.items.length > 0 ? `asks: ${subject}` : `asks for permission: ${subject}`;
}

export interface Notice {
  readonly title: string;
  readonly body: string;
}

/** Return the notice of the browser about a session that needs a person. */
export function noticeOf(session: Session, now: number): Notice {
  const project = session.project_dir === null ? "" : ` · ${oneLine(shortPath(session.project_dir))}`;
  return { title: `${oneLine(session.session_name)}${project}`, body: reasonOf(session, now) };
}
