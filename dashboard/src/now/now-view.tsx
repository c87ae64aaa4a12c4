import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useKeptMarks } from "../feed/seen-marks-provider";
import { useActs } from "../feed/use-acts";
import { useDone, useNeeding } from "../feed/use-attention";
import { useQuestions } from "../feed/use-questions";
import { useSessions } from "../feed/use-sessions";
import { useTitle } from "../hooks/use-title";
import { type NowRow, sectionsOf, summaryOf } from "../state/lists/now";
import { toggled } from "../state/sets";
import { isSeeable } from "../text/attention";
import { CommandLine } from "../ui/command-line";
import { Empty, Failed } from "../ui/empty";
import { FirstSteps } from "../ui/first-steps";
import { PairLinks } from "../ui/pair-links";
import { StopDialog } from "../ui/stop-dialog";
import { defaultFilter, isRunning, type Session, type SessionFilter, takesRequests } from "../wire";
import "../styles/session-page/page.css";
import "../styles/session-page/content.css";
import "../styles/session-page/rich-text.css";
import "../styles/now.css";
import { BellButton } from "./bell-button";
import { Row, type RowActs } from "./now-row";
import { Today } from "./today";
import { useNowKeys } from "./use-now-keys";

const RUNNING: SessionFilter = { ...defaultFilter, state: ["running"] };
const ANY: SessionFilter = { ...defaultFilter, archived: "all" };
const NONE: readonly Session[] = [];

/** The sessions that need the person, that run, and that are done. */
export function NowView({ isAnswering }: { isAnswering: boolean }) {
  useTitle("Now");
  const needs = useNeeding();
  const done = useDone();
  const running = useSessions(RUNNING);
  const { questions } = useQuestions();
  const marks = useKeptMarks();
  const { stop } = useActs();
  const sections = useMemo(
    () =>
      sectionsOf({
        needs: needs.sessions,
        running: running.sessions,
        done: done.sessions,
        seen: marks.seen,
      }),
    [needs.sessions, running.sessions, done.sessions, marks.seen],
  );
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [stopping, setStopping] = useState<readonly Session[]>(NONE);
  const page = useRef<HTMLDivElement>(null);

  const asking = isAnswering ? needs.sessions.filter(({ attention }) => attention?.kind === "asks") : NONE;
  const newest = asking.map(({ session_id }) => session_id).join(" ");
  useEffect(() => {
    if (newest !== "") setOpen((before) => new Set([...before, ...newest.split(" ")]));
  }, [newest]);

  const rows = [...sections.needs, ...sections.running, ...sections.done];
  const chosen = rows.filter(({ session }) => selected.has(session.session_id));
  const quiet = new Set(needs.sessions.map(({ session_id }) => session_id));
  const runs = running.sessions.filter(({ session_id }) => !quiet.has(session_id));
  const stoppable = runs.filter(takesRequests);
  const isCounting = (session: Session) => isRunning(session) && session.executor !== "command";
  const counting = [...runs, ...needs.sessions].filter(isCounting).length;

  const acts: RowActs = {
    onPeek: ({ session_id }) => setOpen((before) => toggled(before, session_id)),
    onSelect: ({ session_id }) => setSelected((before) => toggled(before, session_id)),
    onSeen: ({ session, isSeen }) => void (isSeen ? marks.unmark([session]) : marks.mark([session])),
    onStop: (session) => setStopping([session]),
  };
  const stopChosen = () => setStopping(chosen.map(({ session }) => session).filter(takesRequests));
  const markChosen = () => {
    setSelected(new Set());
    void marks.mark(chosen.filter(({ isSeen }) => !isSeen).map(({ session }) => session));
  };
  useNowKeys({ page, rows, acts, stopChosen, markChosen, hasChosen: chosen.length > 0, setOpen });

  const error = needs.error ?? running.error ?? done.error;
  if (error) return <Failed error={error} retry={needs.retry} />;
  if (needs.isLoading || running.isLoading || done.isLoading) {
    return <div className="loading" role="status" aria-label="Loading the sessions" />;
  }
  const list = (shown: readonly NowRow[]) => (
    <ul className="now-rows">
      {shown.map((row) => (
        <Row
          key={row.session.session_id}
          row={row}
          questions={questions.filter(({ session_id }) => session_id === row.session.session_id)}
          isOpen={open.has(row.session.session_id)}
          isSelected={selected.has(row.session.session_id)}
          acts={acts}
        />
      ))}
    </ul>
  );
  const isUnseen = rows.some(({ session, isSeen }) => !isSeen && isSeeable(session));
  return (
    <div className="sheet now" ref={page}>
      <div className="now-head">
        <h1 className="visually-hidden">Now</h1>
        <p className="now-summary" role="status">
          {summaryOf(needs.sessions.length, runs.length)}
        </p>
        {isUnseen && (
          <button type="button" className="button quiet" onClick={() => void marks.markAll()}>
            Mark all as seen
          </button>
        )}
        <BellButton />
      </div>
      {chosen.length > 0 && (
        <div className="now-chosen" role="toolbar" aria-label="Selected sessions">
          <span>{chosen.length} selected</span>
          <PairLinks sessions={chosen.map(({ session }) => session)} />
          <button type="button" className="button" onClick={markChosen}>
            Mark as seen
          </button>
          <button type="button" className="button" onClick={stopChosen}>
            Stop…
          </button>
          <button type="button" className="button quiet" onClick={() => setSelected(new Set())}>
            Clear
          </button>
        </div>
      )}
      {sections.needs.length > 0 && (
        <Section title="Needs you" count={needs.sessions.length} hasMore={needs.hasMore}>
          {list(sections.needs)}
        </Section>
      )}
      {sections.running.length > 0 && (
        <Section
          title="Running"
          count={runs.length}
          hasMore={running.hasMore}
          act={
            stoppable.length > 1 && (
              <button type="button" className="button quiet" onClick={() => setStopping(stoppable)}>
                Stop all {stoppable.length}…
              </button>
            )
          }
        >
          {list(sections.running)}
        </Section>
      )}
      {sections.done.length > 0 && (
        <Section title="Done since you looked" count={done.sessions.length} hasMore={done.hasMore}>
          {list(sections.done)}
        </Section>
      )}
      {rows.length === 0 && <Nothing />}
      <Today counting={counting} />
      {stopping.length > 0 && (
        <StopDialog sessions={stopping} onClose={() => setStopping(NONE)} onStop={stop} />
      )}
    </div>
  );
}

interface SectionProps {
  readonly title: string;
  readonly count: number;
  readonly hasMore: boolean;
  readonly act?: ReactNode;
  readonly children: ReactNode;
}

function Section({ title, count, hasMore, act, children }: SectionProps) {
  return (
    <section aria-label={title}>
      <div className="now-title">
        <h2>
          {title} <span className="count number">{`${count}${hasMore ? "+" : ""}`}</span>
        </h2>
        {act}
      </div>
      {children}
      {hasMore && <p className="quiet-text">The {count} with the newest activity are shown.</p>}
    </section>
  );
}

/** Shown while no session needs the person, runs, or is unseen. */
function Nothing() {
  const any = useSessions(ANY);
  if (any.isLoading) return null;
  if (any.sessions.length === 0) return <FirstSteps />;
  return (
    <Empty title="Everything is seen.">
      <p className="quiet-text">Start an agent, and it appears here:</p>
      <CommandLine text="ao-new NAME -p 'What the agent is to do.'" />
    </Empty>
  );
}
