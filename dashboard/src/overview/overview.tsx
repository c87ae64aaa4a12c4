import { useMemo, useState } from "react";
import { useSessions } from "../hooks/use-sessions";
import { questionsLink, sessionsLink } from "../text/route";
import { CommandLine } from "../ui/command-line";
import { Empty, Failed } from "../ui/empty";
import { FirstSteps } from "../ui/first-steps";
import { defaultFilter, type Session, type SessionFilter } from "../wire";
import "../styles/overview.css";
import { Activity } from "./activity";
import { SessionCards } from "./session-cards";
import { Spending } from "./spending";

const RUNNING: SessionFilter = { ...defaultFilter, state: "running" };
const WAITING: SessionFilter = { ...defaultFilter, state: "waiting" };
const FAILED: SessionFilter = { ...defaultFilter, state: "failed", sort: "activity" };
const LOST: SessionFilter = { ...defaultFilter, state: "lost", sort: "activity" };
const SHOWN_RUNNING = 8;
const SHOWN_FAILED = 4;

export function Overview() {
  const running = useSessions(RUNNING);
  const failed = useSessions(FAILED);
  const lost = useSessions(LOST);
  const [midnight] = useState(() => new Date().setHours(0, 0, 0, 0));
  const failures = useMemo(
    () =>
      [...failed.sessions, ...lost.sessions]
        .filter((session) => endedAt(session) >= midnight)
        .sort(latestFirst),
    [failed.sessions, lost.sessions, midnight],
  );

  const waiting = useSessions(WAITING);
  if (running.error) return <Failed error={running.error} retry={running.retry} />;
  return (
    <div className="overview">
      <h1 className="visually-hidden">Overview</h1>
      {waiting.sessions.length > 0 && (
        <section aria-labelledby="needs-you">
          <h2 id="needs-you">
            Needs you <Count count={waiting.sessions.length} hasMore={waiting.hasMore} />
            <a href={questionsLink()}>Answer</a>
          </h2>
          <SessionCards sessions={waiting.sessions.slice(0, SHOWN_RUNNING)} />
        </section>
      )}
      <section aria-labelledby="running-now">
        <h2 id="running-now">
          Running now <Count count={running.sessions.length} hasMore={running.hasMore} />
          <a href={sessionsLink(RUNNING)}>All</a>
        </h2>
        {running.isLoading ? (
          <div className="card-space" />
        ) : running.sessions.length === 0 ? (
          <NothingRunning />
        ) : (
          <SessionCards sessions={running.sessions.slice(0, SHOWN_RUNNING)} />
        )}
      </section>
      <section aria-labelledby="failed-today">
        <h2 id="failed-today">
          Failed today <Count count={failures.length} hasMore={false} />
          <a href={sessionsLink(FAILED)}>All</a>
        </h2>
        {failed.isLoading ? (
          <div className="card-space" />
        ) : failures.length === 0 ? (
          <p className="all-well">Nothing has failed today.</p>
        ) : (
          <SessionCards sessions={failures.slice(0, SHOWN_FAILED)} />
        )}
      </section>
      <Activity />
      <Spending />
    </div>
  );
}

function NothingRunning() {
  const list = useSessions(defaultFilter);
  if (list.isLoading) return <div className="card-space" />;
  if (list.sessions.length === 0) return <FirstSteps />;
  return (
    <Empty title="Nothing is running.">
      <CommandLine text="ao-new NAME -p 'What the agent is to do.'" />
    </Empty>
  );
}

function Count({ count, hasMore }: { count: number; hasMore: boolean }) {
  return (
    <span className="count number">
      {count}
      {hasMore && "+"}
    </span>
  );
}

function endedAt(session: Session): number {
  return Date.parse(session.finished_at ?? session.last_activity_at);
}

function latestFirst(a: Session, b: Session): number {
  return endedAt(b) - endedAt(a);
}
