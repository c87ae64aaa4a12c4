import { useNow } from "../hooks/use-now";
import { duration } from "../text/format";
import { STATE_MEANINGS } from "../text/meanings";
import type { Session, SessionState } from "../wire";
import { Icon } from "./icons";

export function StateBadge({ state }: { state: SessionState }) {
  return (
    <span className={`state state-${state}`} data-testid="state" title={STATE_MEANINGS[state]}>
      <Icon name={state} />
      {state}
    </span>
  );
}

/** Duration of the newest run, so far or in total. */
export function RunDuration({ session }: { session: Session }) {
  if (session.finished_at !== null) {
    return <>{duration(secondsBetween(session.started_at, Date.parse(session.finished_at)))}</>;
  }
  return <Ticking since={session.started_at} />;
}

function Ticking({ since }: { since: string }) {
  const now = useNow();
  return <>{duration(secondsBetween(since, now))}</>;
}

function secondsBetween(start: string, end: number): number {
  return (end - Date.parse(start)) / 1000;
}
