import { Suspense, useEffect, useEffectEvent, useMemo, useState } from "react";
import { createPortal } from "react-dom";
import { explain } from "../api/errors";
import { listEvents } from "../api/routes";
import { addEvents, emptyTimeline, type Timeline } from "../state/session/events";
import { everything } from "../state/session/outline";
import { Arranger } from "../state/timeline/arranger";
import type { Lane } from "../state/timeline/lane";
import { fullTime, plural, wholeNumber } from "../text/format";
import { oneLine } from "../text/visible";
import { Boundary } from "../ui/boundary";
import { WholeText } from "../ui/text";
import { useToasts } from "../ui/toasts";
import type { Session, SessionEvent } from "../wire";
import { EventRow } from "./rows/event-row";
import "../styles/session-page/print.css";

const EVENTS_AT_ONCE = 1000;
/** Maximum number of events, so that the print layout fits into the browser's memory. */
const MAX_PRINTED = 20_000;

interface PrintedSessionProps {
  readonly session: Session;
  /** The only subagent to print. */
  readonly lane?: Lane | null;
  onEnd(): void;
}

/** The print layout of a whole session, with everything unfolded. It prints when all events are loaded. */
export function PrintedSession({ session, lane = null, onEnd }: PrintedSessionProps) {
  const { show } = useToasts();
  const [timeline, setTimeline] = useState<Timeline | null>(null);
  const end = useEffectEvent(onEnd);
  const tell = useEffectEvent(show);
  const { session_id: sessionId, last_seq } = session;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the session as it is when printing starts
  useEffect(() => {
    const reading = new AbortController();
    readAll(sessionId, Math.min(last_seq, MAX_PRINTED), reading.signal).then(
      (events) => setTimeline(addEvents(emptyTimeline, events)),
      (error: unknown) => {
        if (reading.signal.aborted) return;
        tell({ text: `Not printed: ${explain(error)}` });
        end();
      },
    );
    return () => reading.abort();
  }, [sessionId]);

  const rows = useMemo(() => {
    if (timeline === null) return [];
    const { state, run } = session;
    const way = { state, run, lane, open: new Set<string>(), isFlat: true, folded: 0, passing: everything };
    const { lines } = new Arranger().arrange(timeline, way);
    return lines.filter((line) => line.kind === "event" || line.kind === "call");
  }, [timeline, session, lane]);

  if (timeline === null) return null;
  return createPortal(
    <WholeText value={true}>
      <Suspense fallback={null}>
        <div className="printed" data-testid="printed">
          <h1>{oneLine(session.session_name)}</h1>
          <p>
            {`${session.state}, ${fullTime(session.created_at)}, ${plural(last_seq, "event")}`}
            {last_seq > MAX_PRINTED && `; only the first ${wholeNumber(MAX_PRINTED)} are printed`}
          </p>
          {rows.map((row) => (
            <Boundary key={row.seq} fallback={<p>Event {row.seq} cannot be shown.</p>}>
              <EventRow row={row} sessionId={sessionId} isOpen onToggle={ignore} onToggleFold={ignore} />
            </Boundary>
          ))}
        </div>
        <PrintShown onEnd={onEnd} />
      </Suspense>
    </WholeText>,
    document.body,
  );
}

/** Prints when its siblings are shown, including lazy components and images. */
function PrintShown({ onEnd }: { onEnd(): void }) {
  const end = useEffectEvent(onEnd);
  useEffect(() => {
    let isGone = false;
    const images = document.querySelectorAll<HTMLImageElement>(".printed img");
    void Promise.allSettled([...images].map((image) => image.decode())).then(() => {
      if (isGone) return;
      window.print();
      end();
    });
    return () => {
      isGone = true;
    };
  }, []);
  return null;
}

function ignore(): void {}

async function readAll(sessionId: string, last: number, signal: AbortSignal): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  for (let after = 0; after < last; after = events.at(-1)?.seq ?? last) {
    const limit = Math.min(EVENTS_AT_ONCE, last - after);
    const page = await listEvents(sessionId, { after_seq: after, limit }, signal);
    if (page.events.length === 0) break;
    events.push(...page.events);
  }
  return events;
}
