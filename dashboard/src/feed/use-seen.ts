import { useEffect, useEffectEvent, useState, useSyncExternalStore } from "react";
import { markSeen } from "../api/routes";
import { SeenWatch, windowTimer } from "../state/seen-watch";
import { isSeeable } from "../text/attention";
import type { Session } from "../wire";

function watchVisibility(watcher: () => void): () => void {
  document.addEventListener("visibilitychange", watcher);
  return () => document.removeEventListener("visibilitychange", watcher);
}

/** Mark the end of the newest run as seen when the reader has looked at it for two seconds. */
export function useSeen(session: Session, isEndInView: boolean): void {
  const { session_id: sessionId, run } = session;
  const isVisible = useSyncExternalStore(watchVisibility, () => document.visibilityState === "visible");
  const see = useEffectEvent((seen: number) => {
    markSeen(sessionId, seen).catch(() => {}); // the session stays unseen, and the next visit marks it
  });
  const [watch] = useState(() => new SeenWatch(windowTimer, (seen) => see(seen)));
  const looked = isVisible && isEndInView && isSeeable(session) ? run : null;
  useEffect(() => watch.look(looked), [watch, looked]);
  useEffect(() => () => watch.lookAway(), [watch]);
}
