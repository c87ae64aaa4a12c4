import type { CSSProperties } from "react";
import { compactNumber, cost, hasCost, plural, shortPath, wholeNumber } from "../text/format";
import { sessionLink } from "../text/route";
import { oneLine } from "../text/visible";
import { ChildrenStates } from "../ui/children-states";
import { Icon } from "../ui/icons";
import { Moment } from "../ui/moment";
import { RunDuration, StateBadge } from "../ui/state-badge";
import { Line } from "../ui/text";
import type { Session } from "../wire";

interface SessionRowProps {
  readonly session: Session;
  readonly depth: number;
  /** Null if the list does not show children. */
  readonly isOpen: boolean | null;
  readonly isSelected: boolean;
  readonly rowIndex: number;
  readonly style: CSSProperties;
  onToggle(sessionId: string): void;
  onOpenChildren(sessionId: string): void;
  onFocus(sessionId: string): void;
}

export function SessionRow(props: SessionRowProps) {
  const { session, depth, isOpen, isSelected, rowIndex, style } = props;
  const name = oneLine(session.session_name);
  return (
    <div
      role="row"
      aria-rowindex={rowIndex}
      className={`session-row ${isSelected ? "is-selected" : ""} ${session.archived_at ? "is-archived" : ""}`}
      data-testid="session-row"
      data-session-id={session.session_id}
      style={{ ...style, "--depth": depth } as CSSProperties}
    >
      <span role="cell" className="cell-select">
        <input
          type="checkbox"
          aria-label={`Select ${name}`}
          checked={isSelected}
          onChange={() => props.onToggle(session.session_id)}
        />
      </span>
      <span role="cell" className="cell-state">
        <StateBadge state={session.state} />
      </span>
      <span role="cell" className="cell-name">
        {isOpen !== null && session.child_count > 0 && (
          <button
            type="button"
            className="fold"
            aria-expanded={isOpen}
            aria-label={`${plural(session.child_count, "child session")} of ${name}`}
            onClick={() => props.onOpenChildren(session.session_id)}
          >
            <Icon name="chevron" />
            {session.child_count}
          </button>
        )}
        <a
          href={sessionLink(session.session_id)}
          className="session-link"
          title={name}
          onFocus={() => props.onFocus(session.session_id)}
        >
          <Line text={session.session_name} />
        </a>
        <ChildrenStates session={session} />
        {session.archived_at && <span className="tag">archived</span>}
      </span>
      <span role="cell" className="cell-project" title={oneLine(session.project_dir ?? "")}>
        {session.project_dir ? <Line text={shortPath(session.project_dir)} /> : <Nothing />}
      </span>
      <span role="cell" className="cell-agent">
        {session.agent ? <Line text={session.agent} title={oneLine(session.agent)} /> : <Nothing />}
      </span>
      <span role="cell" className="cell-executor">
        {session.executor ? <Line text={session.executor} /> : <Nothing />}
      </span>
      <span role="cell" className="cell-activity">
        <Moment at={session.last_activity_at} />
      </span>
      <span role="cell" className="cell-duration number">
        <RunDuration session={session} />
      </span>
      <Tokens session={session} />
      <span role="cell" className="cell-cost number">
        {hasCost(session.usage) ? cost(session.usage) : <Nothing />}
      </span>
    </div>
  );
}

function Tokens({ session }: { session: Session }) {
  const { input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens } = session.usage;
  const total = input_tokens + output_tokens + cache_read_tokens + cache_creation_tokens;
  return (
    <span role="cell" className="cell-tokens number" title={`${wholeNumber(total)} tokens`}>
      {total > 0 ? compactNumber(total) : <Nothing />}
    </span>
  );
}

function Nothing() {
  return (
    <span className="nothing" aria-hidden="true">
      –
    </span>
  );
}
