import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import { explain } from "../api/errors";
import { loadSessions, markSeen } from "../api/routes";
import { forEach } from "../state/each";
import { isSeeable, SEEABLE } from "../text/attention";
import { plural } from "../text/format";
import { useToasts } from "../ui/toasts";
import { defaultFilter, type Session } from "../wire";
import { useSessionsFeed } from "./sessions-feed-provider";

const ALL = { ...defaultFilter, attention: SEEABLE };
/** Number of answers to show at once; the feed reports those of more. */
const MAX_LEARNT = 100;

interface SeenMarks {
  /** The sessions that were marked while Now was shown, as they were before. */
  readonly seen: ReadonlyMap<string, Session>;
  mark(sessions: readonly Session[]): Promise<void>;
  unmark(sessions: readonly Session[]): Promise<void>;
  /** Mark every session, also those that are not loaded. */
  markAll(): Promise<void>;
  /** Keep the marked sessions until the returned function is called. */
  keep(): () => void;
}

const Context = createContext<SeenMarks | null>(null);

/** Marks ends of runs as seen, for Now and for Ctrl K; each mark can be undone. */
export function SeenMarksProvider({ children }: { children: ReactNode }) {
  const [seen, setSeen] = useState<ReadonlyMap<string, Session>>(new Map());
  const isKept = useRef(false);
  const { learn } = useSessionsFeed();
  const { show } = useToasts();

  const marks = useMemo<SeenMarks>(() => {
    async function change(sessions: readonly Session[], isSeen: boolean): Promise<void> {
      const changed: Session[] = [];
      const one = async (session: Session) => {
        const { session_id: id, run, seen_run: before } = session;
        const answer = await markSeen(id, isSeen ? run : Math.min(before, run - 1));
        changed.push(session);
        if (sessions.length <= MAX_LEARNT) learn(answer);
        if (isKept.current) setSeen((known) => withMark(known, session, isSeen));
      };
      const { failed, firstError } = await forEach(
        sessions,
        one,
        new AbortController().signal,
        () => undefined,
      );
      const who = changed.length === 1 ? changed[0]?.session_name : plural(changed.length, "session");
      const done = changed.length > 0 ? `${who}: ${isSeen ? "seen" : "unseen"}. ` : "";
      const refused = failed > 0 ? `Not marked: ${explain(firstError)}` : "";
      const undo = () => void change(changed, !isSeen);
      show({ text: `${done}${refused}`.trim() || "Everything is seen.", ...(done && { undo }) });
    }

    return {
      seen,
      mark: (sessions) => change(sessions.filter(isSeeable), true),
      unmark: (sessions) => change(sessions, false),
      async markAll() {
        try {
          await change(await loadSessions(ALL), true);
        } catch (error) {
          show({ text: `Not marked: ${explain(error)}` });
        }
      },
      keep() {
        isKept.current = true;
        return () => {
          isKept.current = false;
          setSeen(new Map());
        };
      },
    };
  }, [seen, learn, show]);

  return <Context value={marks}>{children}</Context>;
}

function withMark(
  known: ReadonlyMap<string, Session>,
  session: Session,
  isSeen: boolean,
): ReadonlyMap<string, Session> {
  const after = new Map(known);
  if (isSeen) after.set(session.session_id, session);
  else after.delete(session.session_id);
  return after;
}

export function useSeenMarks(): SeenMarks {
  const marks = useContext(Context);
  if (marks === null) throw new Error("useSeenMarks needs a SeenMarksProvider");
  return marks;
}

/** Keep the marked sessions as long as the view is shown, so that a mark can be undone there. */
export function useKeptMarks(): SeenMarks {
  const marks = useSeenMarks();
  const keep = useRef(marks.keep);
  useEffect(() => keep.current(), []);
  return marks;
}
