import { wholeNumber } from "../text/format";
import type { Session } from "../wire";
import { Icon } from "./icons";

/** Number of failed and of running child sessions; the parent itself may have finished. */
export function ChildrenStates({ session }: { session: Session }) {
  const states = [
    ["failed", session.children_failed],
    ["running", session.children_running],
  ] as const;
  const shown = states.filter(([, count]) => count > 0);
  if (shown.length === 0) return null;
  return (
    <span
      className="tag children-states"
      title={shown.map(([state, count]) => words(state, count)).join(", ")}
    >
      <Icon name="subagent" />
      {shown.map(([state, count]) => (
        <span key={state} className={`state state-${state}`}>
          <Icon name={state} />
          {wholeNumber(count)}
          <span className="visually-hidden">{words(state, count).slice(wholeNumber(count).length)}</span>
        </span>
      ))}
    </span>
  );
}

function words(state: string, count: number): string {
  return `${wholeNumber(count)} ${count === 1 ? "child" : "children"} ${state}`;
}
