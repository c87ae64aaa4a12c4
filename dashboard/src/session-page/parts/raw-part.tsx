import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { listEvents } from "../../api/routes";
import { sessionLink } from "../../text/address/route";
import { plural, wholeNumber } from "../../text/format";
import { CopyButton } from "../../ui/copy-button";
import { Empty, Failed } from "../../ui/empty";
import { Line, PlainText } from "../../ui/text";
import type { Session } from "../../wire";

const EVENTS_AT_ONCE = 50;

/** The events of a session as they are stored, a page at a time, from the newest page on. */
export function RawPart({ session }: { session: Session }) {
  const pages = Math.max(1, Math.ceil(session.last_seq / EVENTS_AT_ONCE));
  const [chosen, setChosen] = useState<number | null>(null);
  const page = Math.min(chosen ?? pages, pages);
  const first = (page - 1) * EVENTS_AT_ONCE;
  const last = Math.min(first + EVENTS_AT_ONCE, session.last_seq);
  const query = useQuery({
    queryKey: ["raw", session.session_id, session.generation, first, last],
    queryFn: ({ signal }) =>
      listEvents(session.session_id, { after_seq: first, limit: EVENTS_AT_ONCE }, signal),
    placeholderData: keepPreviousData,
    gcTime: 0,
  });
  if (session.last_seq === 0) return <Empty title="This session has no events." />;
  if (query.error) return <Failed error={query.error} retry={() => void query.refetch()} />;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="part-scroll raw" tabIndex={0} aria-label="Stored events">
      <p className="raw-pages">
        {pages > 1 && (
          <>
            <button
              type="button"
              className="button"
              disabled={page === 1}
              onClick={() => setChosen(page - 1)}
            >
              Earlier
            </button>
            <button
              type="button"
              className="button"
              disabled={page === pages}
              onClick={() => setChosen(page + 1)}
            >
              Later
            </button>
          </>
        )}
        <span className="number quiet-text">
          {`Events ${wholeNumber(first + 1)} to ${wholeNumber(last)} of ${plural(session.last_seq, "event")}`}
        </span>
      </p>
      {query.data?.events.map(({ seq, event_type, wire }) => {
        const text = JSON.stringify(wire, null, 2);
        return (
          <details key={seq} className="raw-event">
            <summary>
              <span className="number quiet-text">{seq}</span> <Line text={event_type} />
            </summary>
            <div className="raw-text">
              <a href={sessionLink(session.session_id, seq)}>Show in the conversation</a>
              <CopyButton label={`Copy event ${seq}`} text={text} isCompact />
              <PlainText text={text} />
            </div>
          </details>
        );
      })}
    </section>
  );
}
