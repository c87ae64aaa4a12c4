import { useEffect, useMemo, useState } from "react";
import type { Connection } from "../api/stream";
import { lastList } from "../hooks/left-place";
import { SessionPlaces } from "../hooks/session-place";
import { useKeys } from "../hooks/use-keys";
import { useMedia } from "../hooks/use-media";
import { usePrintKeys } from "../hooks/use-print-keys";
import { goTo } from "../hooks/use-route";
import { useTitle } from "../hooks/use-title";
import { SessionQuestions } from "../questions/session-questions";
import { changedFiles } from "../state/session/changed-files";
import { laneOf, outlineOf } from "../state/timeline/lane";
import {
  aloneLink,
  partLink,
  SESSION_PARTS,
  type SessionPart,
  sessionLink,
  sessionsLink,
} from "../text/address/route";
import { wholeNumber } from "../text/format";
import { oneLine } from "../text/visible";
import { Empty, Failed } from "../ui/empty";
import { type Session, takesRequests } from "../wire";
import "../styles/session-page/page.css";
import "../styles/session-page/header.css";
import "../styles/session-page/side.css";
import "../styles/session-page/parts.css";
import "../styles/session-page/actions.css";
import "../styles/session-page/narrow.css";
import "../styles/session-page/lane-head.css";
import "../styles/session-page/event-rows.css";
import "../styles/session-page/content.css";
import "../styles/session-page/rich-text.css";
import { Facts } from "./facts";
import { SessionHeader } from "./header/session-header";
import { LaneHead, NoLane } from "./lane-head";
import { OutlinePanel } from "./outline-panel";
import { ChangesPart } from "./parts/changes-part";
import { RawPart } from "./parts/raw-part";
import { RunsPart } from "./parts/runs-part";
import { PrintedSession } from "./printed-session";
import { TellAgent } from "./tell-agent";
import { TimelineView } from "./timeline/timeline-view";
import { useFollowedSession } from "./use-followed-session";
import { useNeighbours } from "./use-neighbours";
import { useOutline } from "./use-outline";

interface SessionViewProps {
  readonly sessionId: string;
  readonly seq: number | null;
  /** The search query by which the event was found. */
  readonly query: string | null;
  readonly part: SessionPart;
  /** The call whose subagent is shown alone. */
  readonly alone: number | null;
  onConnection(connection: Connection): void;
}

const PART_WORDS: Readonly<Record<SessionPart, string>> = {
  conversation: "Conversation",
  changes: "Changes",
  runs: "Runs",
  raw: "Raw",
};

export function SessionView({ sessionId, seq, query, part, alone, onConnection }: SessionViewProps) {
  const { followed, error, connection, show, learn, retry } = useFollowedSession(sessionId);
  const isPresent = followed.phase === "present";
  const outline = useOutline(
    sessionId,
    isPresent ? followed.session.generation : "",
    isPresent ? followed.timeline.head : 0,
  );
  const files = useMemo(() => changedFiles(outline.entries).length, [outline.entries]);
  const isNarrow = useMedia("(max-width: 900px)");
  const [tells, setTells] = useState(false);
  const [isPrinting, setPrinting] = useState(false);
  const print = () => setPrinting(true);
  usePrintKeys(isPresent ? print : null);

  const lane = useMemo(() => (alone === null ? null : laneOf(outline, alone)), [outline, alone]);
  const shown = useMemo(() => (lane ? outlineOf(outline, lane) : outline), [outline, lane]);
  const where = useMemo(
    () => ({
      link: (id: string, at?: number, words?: string) =>
        alone === null || id !== sessionId ? sessionLink(id, at, words) : aloneLink(id, alone, at, words),
      leave: () => goTo(lastList()),
    }),
    [sessionId, alone],
  );
  const leave = () => (alone === null ? where.leave() : goTo(sessionLink(sessionId, alone)));
  const goToNeighbour = useNeighbours(sessionId);
  useKeys({
    Escape: leave,
    "[": () => goToNeighbour(-1),
    "]": () => goToNeighbour(1),
    ...(isPresent && takesRequests(followed.session) && { t: () => setTells(true) }),
  });

  useTitle(isPresent ? oneLine(followed.session.session_name) : null);
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
      const tabs = <Tabs session={session} part={part} files={files} />;
      return (
        <SessionPlaces value={where}>
          <div className="session">
            <SessionHeader
              session={session}
              timeline={timeline}
              onChange={learn}
              onPrint={print}
              onTell={takesRequests(session) ? () => setTells(!tells) : null}
            />
            {tells && <TellAgent session={session} onClose={() => setTells(false)} />}
            {isPrinting && <PrintedSession session={session} lane={lane} onEnd={() => setPrinting(false)} />}
            <div className="session-body">
              {alone !== null && lane === null ? (
                <NoLane session={session} outline={outline} callSeq={alone} />
              ) : part === "conversation" ? (
                <TimelineView
                  key={alone}
                  lane={lane}
                  place={where.link(sessionId)}
                  session={session}
                  timeline={timeline}
                  seq={seq}
                  query={query}
                  outline={shown}
                  tabs={lane && alone ? <LaneHead session={session} outline={shown} callSeq={alone} /> : tabs}
                  onShow={show}
                >
                  <SessionQuestions session={session} />
                </TimelineView>
              ) : (
                <section className="session-part" aria-label={PART_WORDS[part]}>
                  <div className="tab-bar">{tabs}</div>
                  <Part part={part} session={session} outline={outline} />
                </section>
              )}
              <aside className="session-side" aria-label="About this session">
                <details className="side-outline" open={!isNarrow}>
                  <summary>Outline</summary>
                  <OutlinePanel sessionId={sessionId} outline={shown} />
                </details>
                <details className="side-facts">
                  <summary>About this session</summary>
                  <Facts session={session} />
                </details>
              </aside>
            </div>
          </div>
        </SessionPlaces>
      );
    }
  }
}

function Tabs({ session, part, files }: { session: Session; part: SessionPart; files: number }) {
  const counts: Partial<Record<SessionPart, number>> = { changes: files, runs: session.run };
  return (
    <nav className="tabs" aria-label="Parts of this session">
      {SESSION_PARTS.map((each) => (
        <a
          key={each}
          href={partLink(session.session_id, each)}
          aria-current={each === part ? "page" : undefined}
        >
          {PART_WORDS[each]}
          {counts[each] !== undefined && (
            <span className="tab-count number">{wholeNumber(counts[each])}</span>
          )}
        </a>
      ))}
    </nav>
  );
}

interface PartProps {
  readonly part: SessionPart;
  readonly session: Session;
  readonly outline: ReturnType<typeof useOutline>;
}

function Part({ part, session, outline }: PartProps) {
  switch (part) {
    case "changes":
      return <ChangesPart session={session} outline={outline} />;
    case "runs":
      return <RunsPart session={session} outline={outline} />;
    default:
      return <RawPart session={session} />;
  }
}
