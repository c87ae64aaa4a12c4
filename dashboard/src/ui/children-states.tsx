import { wholeNumber } from "../text/format";
import type { Session } from "../wire";

/** What failed and what runs among the sessions below one: it may have ended well itself. */
export function ChildrenStates({ session }: { session: Session }) {
  const { children_failed: failed, children_running: running } = session;
  return (
    <>
      {failed > 0 && <span className="tag tag-failed">{`${children(failed)} failed`}</span>}
      {running > 0 && <span className="tag tag-running">{`${children(running)} running`}</span>}
    </>
  );
}

function children(count: number): string {
  return `${wholeNumber(count)} ${count === 1 ? "child" : "children"}`;
}
