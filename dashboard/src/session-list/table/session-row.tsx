import type { CSSProperties } from "react";
import { useNow } from "../../hooks/use-now";
import { sessionLink } from "../../text/address/route";
import { duration, plural, wholeNumber } from "../../text/format";
import { STATE_MEANINGS } from "../../text/meanings";
import {
  costWords,
  markOf,
  modelName,
  projectName,
  tokensOf,
  tookSeconds,
  whatOf,
} from "../../text/session-row";
import { oneLine } from "../../text/visible";
import { ChildrenStates } from "../../ui/children-states";
import { Icon } from "../../ui/icons";
import { Moment } from "../../ui/moment";
import { Line } from "../../ui/text";
import type { Session } from "../../wire";

interface SessionRowProps {
  readonly session: Session;
  readonly depth: number;
  /** Null if the list does not show children. */
  readonly isOpen: boolean | null;
  /** Null if it cannot be chosen: a child, while all that match the filter are selected. */
  readonly isSelected: boolean | null;
  readonly hasAgent: boolean;
  readonly hasModel: boolean;
  readonly rowIndex: number;
  readonly style: CSSProperties;
  onToggle(sessionId: string, isRange: boolean): void;
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
          checked={isSelected === true}
          disabled={isSelected === null}
          onChange={({ nativeEvent }) =>
            props.onToggle(session.session_id, nativeEvent instanceof MouseEvent && nativeEvent.shiftKey)
          }
        />
      </span>
      <span role="cell" className="cell-mark">
        <Mark session={session} />
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
      </span>
      <What session={session} />
      <span role="cell" className="cell-project" title={oneLine(session.project_dir ?? "")}>
        {session.project_dir && <Line text={projectName(session.project_dir)} />}
      </span>
      {props.hasAgent && (
        <span role="cell" className="cell-agent">
          {session.agent_name && <Line text={session.agent_name} title={oneLine(session.agent_name)} />}
        </span>
      )}
      <span role="cell" className="cell-when number">
        <Moment at={session.last_activity_at} />
      </span>
      <span role="cell" className="cell-took number">
        {session.finished_at === null ? <Ticking session={session} /> : duration(tookSeconds(session, 0))}
      </span>
      <span
        role="cell"
        className="cell-cost number"
        title={`${wholeNumber(tokensOf(session))} tokens in ${plural(session.run, "run")}`}
      >
        {costWords(session)}
      </span>
      {props.hasModel && (
        <span role="cell" className="cell-model">
          {session.model && <Line text={modelName(session.model)} title={oneLine(session.model)} />}
        </span>
      )}
    </div>
  );
}

/** The sign of the state; its words are for screen readers and the pointer. */
function Mark({ session }: { session: Session }) {
  const { state, reason, executor } = session;
  const mark = markOf(session);
  const words = [
    mark === "denied" ? `${state}, ${plural(session.denied_calls, "call")} denied` : state,
    reason && reason !== "completed" && reason !== state ? `: ${reason}` : "",
  ].join("");
  return (
    <span
      className={`state state-${mark}`}
      data-testid="state"
      title={[words, executor && oneLine(executor), STATE_MEANINGS[state]].filter(Boolean).join(" · ")}
    >
      <Icon name={mark} />
      <span className="visually-hidden">{words}</span>
    </span>
  );
}

/** What the session is about, and how it ended, on one line. */
function What({ session }: { session: Session }) {
  const { about, end, tone } = whatOf(session);
  const title = [about, end].filter((text) => text !== null).map(oneLine);
  return (
    <span role="cell" className="cell-what" title={title.join("\n→ ")}>
      {about && (
        <span className="what-about">
          <Line text={about} />
        </span>
      )}
      {about && end && (
        <span className="what-arrow" aria-hidden="true">
          →
        </span>
      )}
      {end && (
        <span className={`what-end ${tone ? `tone-${tone}` : ""}`}>
          <Line text={end} />
        </span>
      )}
      <ChildrenStates session={session} />
      {session.archived_at && <span className="tag">archived</span>}
    </span>
  );
}

function Ticking({ session }: { session: Session }) {
  return <>{duration(tookSeconds(session, useNow()))}</>;
}
