import { cost, hasCost, shortPath } from "../text/format";
import { sessionLink } from "../text/route";
import { oneLine } from "../text/visible";
import { ChildrenStates } from "../ui/children-states";
import { Moment } from "../ui/moment";
import { RunDuration, StateBadge } from "../ui/state-badge";
import { Line } from "../ui/text";
import type { Session } from "../wire";
import { FailureReason } from "./failure-reason";

export function SessionCards({ sessions }: { sessions: readonly Session[] }) {
  return (
    <ul className="cards">
      {sessions.map((session) => (
        <li key={session.session_id} className="card" data-testid="session-card">
          <div className="card-head">
            <span className="card-states">
              <StateBadge state={session.state} />
              <ChildrenStates session={session} />
            </span>
            <span className="card-figures number quiet-text">
              {hasCost(session.usage) && <span>{cost(session.usage)}</span>}
              <span>
                <RunDuration session={session} />
              </span>
            </span>
          </div>
          <a
            className="card-name"
            href={sessionLink(session.session_id)}
            title={oneLine(session.session_name)}
          >
            <Line text={session.session_name} />
          </a>
          {(session.state === "failed" || session.state === "lost") && <FailureReason session={session} />}
          <div className="card-foot">
            <span className="card-where">
              {session.agent && <Line text={session.agent} />}
              {session.project_dir && (
                <Line text={shortPath(session.project_dir)} title={oneLine(session.project_dir)} />
              )}
            </span>
            <span className="number">
              <Moment at={session.last_activity_at} />
            </span>
          </div>
        </li>
      ))}
    </ul>
  );
}
