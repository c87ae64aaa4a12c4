import { listEvents } from "../api/routes";
import { type HitGroup, keyOfHit } from "../state/lists/hits";
import { addressOf, searchLink, sessionLink } from "../text/address/route";
import { eventText } from "../text/content/event-text";
import { shortPath } from "../text/format";
import { resumeCommand } from "../text/shell";
import { oneLine } from "../text/visible";
import { CopyButton } from "../ui/copy-button";
import { Moment } from "../ui/moment";
import { Line } from "../ui/text";
import type { Hit, SearchFilter } from "../wire";
import { SnippetText } from "./snippet-text";

interface HitListProps {
  readonly groups: readonly HitGroup[];
  readonly filter: SearchFilter;
}

/** The hits below their sessions. */
export function HitList({ groups, filter }: HitListProps) {
  return (
    <ol className="hit-groups" aria-label="Hits">
      {groups.map(({ session, hits }) => (
        <li key={keyOfHit(hits[0] as Hit)} className="hit-group">
          <div className="hit-session">
            <a href={sessionLink(session.session_id)}>
              <Line text={session.session_name} />
            </a>
            <span className="hit-where quiet-text">
              {session.project_dir && (
                <Line text={shortPath(session.project_dir)} title={oneLine(session.project_dir)} />
              )}
              {session.agent && <Line text={session.agent} />}
            </span>
            {filter.session_id === null && (
              <a
                className="quiet-text"
                href={searchLink({ ...filter, session_id: session.session_id, by_session: false })}
              >
                only here
                <span className="visually-hidden">: search in {oneLine(session.session_name)}</span>
              </a>
            )}
            <CopyButton label="Copy the resume command" text={resumeCommand(session)} icon="terminal" />
          </div>
          <ol className="hits">
            {hits.map((hit) => (
              <HitRow key={hit.seq} hit={hit} query={filter.query} />
            ))}
          </ol>
        </li>
      ))}
    </ol>
  );
}

function HitRow({ hit, query }: { hit: Hit; query: string }) {
  const link = sessionLink(hit.session_id, hit.seq, query);
  return (
    <li className={`hit ${hit.has_error ? "is-error" : ""}`} data-testid="hit">
      <a className="hit-link" href={link} data-hit={keyOfHit(hit)}>
        <span className="hit-head">
          <span className="hit-kind">{wordsFor(hit)}</span>
          <span className="number quiet-text">
            {hit.seq} · <Moment at={hit.occurred_at} />
          </span>
        </span>
        <SnippetText snippet={hit.snippet} />
      </a>
      <span className="hit-acts">
        <CopyButton label="Copy the text" text={() => loadText(hit)} isCompact />
        <CopyButton label="Copy a link to this event" text={addressOf(link)} isCompact icon="link" />
      </span>
    </li>
  );
}

async function loadText({ session_id, seq }: Hit): Promise<string> {
  const [event] = (await listEvents(session_id, { after_seq: seq - 1, limit: 1 })).events;
  if (event?.seq !== seq) throw new Error("the event no longer exists");
  return eventText(event);
}

function wordsFor({ kind, tool_name, event_type }: Hit): string {
  switch (kind) {
    case "message":
      return "Message";
    case "thinking":
      return "Thinking";
    case "tool_input":
      return `${oneLine(tool_name ?? "Tool")} input`;
    case "tool_output":
      return `${oneLine(tool_name ?? "Tool")} output`;
    case "error":
    case "note":
      return oneLine(event_type.replaceAll("_", " "));
  }
}
