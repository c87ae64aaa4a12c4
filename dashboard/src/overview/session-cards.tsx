import { cost, hasCost, shortPath } from "../text/format";
import { sessionLink } from "../text/route";
import { oneLine } from "../text/visible";
import { Moment } from "../ui/moment";
import { RunDuration, StateBadge } from "../ui/state-badge";
import { Line } from "../ui/text";
import type { Session } from "../wire";

export function SessionCards({ sessions }: { sessions: readonly Session[] }) {
  return (
    <ul className="cards">
      {sessions.map((session) => (
        <li key={session.session_id} className="card" data-testid="session-card">
          <div className="card-head">
            <StateBadge state={session.state} />
            <span className="number quiet-text">
              <RunDuration session={session} />
            </span>
          </div>
          <a
            className="card-name"
            href={sessionLink(session.session_id)}
            title={oneLine(session.session_name)}
          >
            <Line text={session.session_name} />
          </a>
          <div className="card-foot">
            <span className="card-where">
              {session.agent_name && <Line text={session.agent_name} />}
              {session.project_dir && (
                <Line text={shortPath(session.project_dir)} title={oneLine(session.project_dir)} />
              )}
            </span>
            <span className="number">
              {hasCost(session.usage) ? cost(session.usage) : <Moment at={session.last_activity_at} />}
            </span>
          </div>
        </li>
      ))}
    </ul>
  );
}
