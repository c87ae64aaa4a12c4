import { type ReactNode, useState } from "react";
import { lastList } from "../../hooks/left-place";
import { useNow } from "../../hooks/use-now";
import type { Timeline } from "../../state/session/events";
import { modelOf } from "../../state/session/model";
import { sessionsLink } from "../../text/address/route";
import { token } from "../../text/address/session-query";
import { cost, duration, hasCost, plural } from "../../text/format";
import { commandLine } from "../../text/shell";
import { oneLine, visible } from "../../text/visible";
import { ChildrenStates } from "../../ui/children-states";
import { CopyButton } from "../../ui/copy-button";
import { Icon } from "../../ui/icons";
import { StateBadge } from "../../ui/state-badge";
import { Line } from "../../ui/text";
import { commandOf, isByHand, isRunning, type Run, type Session } from "../../wire";
import { secondsOf, useRuns } from "../parts/use-runs";
import { SessionActions } from "./session-actions";
import { SessionName } from "./session-name";

interface SessionHeaderProps {
  readonly session: Session;
  readonly timeline: Timeline;
  onChange(session: Session): void;
  onPrint(): void;
  /** Null if the session takes no messages. */
  readonly onTell: (() => void) | null;
  /** In place of the way back to the list. */
  readonly lead?: ReactNode;
}

/** What the session is and did, in one line, and what can be done with it. */
export function SessionHeader({ session, timeline, onChange, onPrint, onTell, lead }: SessionHeaderProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const runs = useRuns(session);
  const model = modelOf(timeline);
  const program = session.executor === "command" ? commandOf(runs.at(-1) ?? { spec: null }) : [];
  return (
    <div className="session-top">
      {lead ?? (
        <a
          className="icon-button back"
          href={lastList()}
          aria-label="Back to the list"
          title="Back to the list (Escape)"
        >
          <Icon name="chevron" />
        </a>
      )}
      <SessionName session={session} draft={draft} setDraft={setDraft} onChange={onChange} />
      <p className="session-gist" data-testid="gist">
        <StateBadge state={session.state} />
        {session.reason && session.reason !== "completed" && session.reason !== session.state && (
          <span>{session.reason}</span>
        )}
        {isByHand(session) && <Line text={session.lease?.holder ?? "started by hand"} />}
        {session.project_dir && (
          <a
            href={sessionsLink({ query: token("project", session.project_dir) })}
            title={oneLine(session.project_dir)}
          >
            <Line text={session.project_dir.split("/").findLast(Boolean) ?? session.project_dir} />
          </a>
        )}
        {model && <Line text={model} />}
        {session.run > 1 && <span className="number">{plural(session.run, "run")}</span>}
        <span className="number">{isRunning(session) ? <Ticking runs={runs} /> : tookOf(runs, 0)}</span>
        {hasCost(session.usage) && <span className="number">{cost(session.usage)}</span>}
        {session.children_failed + session.children_running > 0 && <ChildrenStates session={session} />}
        {session.archived_at && <span className="tag">archived</span>}
      </p>
      <SessionActions
        session={session}
        onChange={onChange}
        onPrint={onPrint}
        onRename={() => setDraft(session.session_name)}
        onTell={onTell}
      />
      {program.length > 0 && (
        <p className="session-program">
          <code data-testid="program">
            <bdi>{visible(commandLine(program))}</bdi>
          </code>
          <CopyButton label="Copy the command" text={commandLine(program)} isCompact />
        </p>
      )}
    </div>
  );
}

function Ticking({ runs }: { runs: readonly Run[] }) {
  return <>{tookOf(runs, useNow())}</>;
}

function tookOf(runs: readonly Run[], now: number): string {
  if (runs.length === 0) return "";
  return duration(runs.reduce((total, run) => total + secondsOf(run, now), 0));
}
