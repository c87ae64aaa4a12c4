import { useState } from "react";
import { explain } from "../api/errors";
import { listSessions, markSeen } from "../api/routes";
import { useSessionsFeed } from "../hooks/sessions-feed-provider";
import { isSeeable } from "../text/attention";
import { plural } from "../text/format";
import { useToasts } from "../ui/toasts";
import { defaultFilter, type Session, type SessionFilter } from "../wire";

const SEEABLE: SessionFilter = { ...defaultFilter, attention: ["failed", "denied", "question", "done"] };
const AT_ONCE = 8;

export interface SeenMarks {
  /** The sessions that were marked on this page, as they were before. */
  readonly seen: ReadonlyMap<string, Session>;
  mark(sessions: readonly Session[]): Promise<void>;
  unmark(sessions: readonly Session[]): Promise<void>;
  /** Mark every session, also those that are not loaded. */
  markAll(): Promise<void>;
}

/** Marks ends of runs as seen. The marked rows stay until the reader leaves the page, so that a mark can be undone. */
export function useSeenMarks(): SeenMarks {
  const [seen, setSeen] = useState<ReadonlyMap<string, Session>>(new Map());
  const { learn } = useSessionsFeed();
  const { show } = useToasts();

  async function change(sessions: readonly Session[], isSeen: boolean): Promise<readonly Session[]> {
    const changed: Session[] = [];
    for (let first = 0; first < sessions.length; first += AT_ONCE) {
      const part = sessions.slice(first, first + AT_ONCE);
      const marks = part.map(({ session_id, run }) => markSeen(session_id, isSeen ? run : run - 1));
      for (const session of await Promise.all(marks)) learn(session);
      changed.push(...part);
      setSeen((before) => {
        const after = new Map(before);
        for (const session of part) {
          if (isSeen) after.set(session.session_id, session);
          else after.delete(session.session_id);
        }
        return after;
      });
    }
    return changed;
  }

  async function tryTo(act: () => Promise<readonly Session[]>, isSeen: boolean): Promise<void> {
    try {
      const changed = await act();
      const words = isSeen ? "seen" : "unseen";
      const text = `${changed.length === 1 ? changed[0]?.session_name : plural(changed.length, "session")}: ${words}.`;
      const undo = () => void tryTo(() => change(changed, !isSeen), !isSeen);
      if (changed.length > 0) show({ text, undo });
    } catch (error) {
      show({ text: `Not marked: ${explain(error)}` });
    }
  }

  async function changeAll(): Promise<readonly Session[]> {
    const changed: Session[] = [];
    for (;;) {
      const page = await listSessions(SEEABLE, null);
      changed.push(...(await change(page.sessions, true)));
      if (page.next_page === null) return changed;
    }
  }

  return {
    seen,
    mark: (sessions) => tryTo(() => change(sessions.filter(isSeeable), true), true),
    unmark: (sessions) => tryTo(() => change(sessions, false), false),
    markAll: () => tryTo(changeAll, true),
  };
}
