import { childrenWords } from "../text/session-row";
import type { Session } from "../wire";
import { Icon } from "./icons";

/** The states of the sessions below a session, in the colour of the worst; the session itself may have ended well. */
export function ChildrenStates({ session }: { session: Session }) {
  const children = childrenWords(session);
  if (children === null) return null;
  return (
    <span className={`tag children-states state-${children.worst}`}>
      <Icon name="subagent" />
      {children.words}
    </span>
  );
}
