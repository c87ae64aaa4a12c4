/** The sessions that a person most probably wants beside another one. */

import type { Session } from "../../wire";

export interface Related {
  readonly session: Session;
  readonly relation:
    | "parent"
    | "child"
    | "copied session"
    | "copy of this session"
    | "copy of the same session"
    | "sibling";
}

const MOST = 12;

/** Return those of the known sessions that are related to one, each once, the closest first. */
export function relatedOf(one: Session, known: readonly Session[]): readonly Related[] {
  const found = new Map<string, Related>();
  const origin = one.forked_from?.session_id ?? null;
  const rules: readonly (readonly [Related["relation"], (other: Session) => boolean])[] = [
    ["copied session", ({ session_id }) => session_id === origin],
    ["copy of this session", ({ forked_from }) => forked_from?.session_id === one.session_id],
    ["copy of the same session", ({ forked_from }) => origin !== null && forked_from?.session_id === origin],
    ["parent", ({ session_id }) => session_id === one.parent_session_id],
    ["child", ({ parent_session_id }) => parent_session_id === one.session_id],
    [
      "sibling",
      (other) => other.parent_session_id !== null && other.parent_session_id === one.parent_session_id,
    ],
  ];
  for (const [relation, fits] of rules) {
    for (const session of known) {
      if (session.session_id === one.session_id || found.has(session.session_id) || !fits(session)) continue;
      found.set(session.session_id, { session, relation });
    }
  }
  return [...found.values()].slice(0, MOST);
}
