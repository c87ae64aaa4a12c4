import { useEffect, useEffectEvent, useState } from "react";
import type { Connection } from "../api/stream";
import { useMedia } from "../hooks/use-media";
import { useTitle } from "../hooks/use-title";
import { SessionQuestions } from "../questions/session-questions";
import { sessionsLink } from "../text/route";
import { oneLine } from "../text/visible";
import { Empty, Failed } from "../ui/empty";
import "../styles/session-page.css";
import "../styles/event-rows.css";
import "../styles/content.css";
import "../styles/rich-text.css";
import { Facts } from "./facts";
import { PrintedSession } from "./printed-session";
import { SessionActions } from "./session-actions";
import { SessionName } from "./session-name";
import { TimelineView } from "./timeline/timeline-view";
import { useFollowedSession } from "./use-followed-session";

interface SessionViewProps {
  readonly sessionId: string;
  readonly seq: number | null;
  /** The search query by which the event was found. */
  readonly query: string | null;
  onConnection(connection: Connection): void;
}

export function SessionView({ sessionId, seq, query, onConnection }: SessionViewProps) {
  const { followed, error, connection, show, learn, retry } = useFollowedSession(sessionId);
  const isNarrow = useMedia("(max-width: 900px)");
  const [showsFacts, setShowsFacts] = useState(!isNarrow);

  const [isPrinting, setPrinting] = useState(false);
  const print = () => setPrinting(true);
  // The browser's own command would print only the visible part.
  const printByKeys = useEffectEvent((event: KeyboardEvent) => {
    if (event.key.toLowerCase() !== "p" || event.altKey || event.shiftKey) return;
    if (!(event.ctrlKey || event.metaKey) || followed.phase !== "present") return;
    event.preventDefault();
    print();
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => printByKeys(event);
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);

  useTitle(followed.phase === "present" ? oneLine(followed.session.session_name) : null);
  useEffect(() => onConnection(connection), [connection, onConnection]);

  switch (followed.phase) {
    case "loading":
      if (error) return <Failed error={error} retry={retry} />;
      return <div className="loading" role="status" aria-label="Loading the session" />;
    case "gone":
      return (
        <Empty title="This session does not exist or was deleted.">
          <a className="button" href={sessionsLink()}>
            All sessions
          </a>
        </Empty>
      );
    case "present": {
      const { session, timeline } = followed;
      return (
        <div className="session">
          <div className="session-top">
            <SessionName session={session} onChange={learn} />
            <SessionActions session={session} onChange={learn} onPrint={print} />
          </div>
          <details
            className="session-facts"
            open={showsFacts}
            onToggle={(event) => setShowsFacts(event.currentTarget.open)}
          >
            <summary>About this session</summary>
            <Facts session={session} />
          </details>
          {isPrinting && <PrintedSession session={session} onEnd={() => setPrinting(false)} />}
          <TimelineView session={session} timeline={timeline} seq={seq} query={query} onShow={show}>
            <SessionQuestions session={session} />
          </TimelineView>
        </div>
      );
    }
  }
}
