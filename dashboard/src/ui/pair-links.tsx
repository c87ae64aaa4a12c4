import { besideLink } from "../text/address/route";
import type { Session } from "../wire";

/** What can be done with two selected sessions: the older one is on the left, because a retry or a copy is newer. */
export function PairLinks({ sessions }: { sessions: readonly Session[] }) {
  const [left, right, more] = sessions.toSorted((a, b) => a.created_at.localeCompare(b.created_at));
  if (left === undefined || right === undefined || more !== undefined) return null;
  const ids = [left.session_id, right.session_id] as const;
  return (
    <>
      <a className="button" href={besideLink({ ids })}>
        Open beside each other
      </a>
      <a className="button" href={besideLink({ ids, isCompared: true })}>
        Compare
      </a>
    </>
  );
}
