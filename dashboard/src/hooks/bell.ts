/** The bell: notices of the browser when a session needs the person. The choice is stored for this browser. */

import { useEffect, useState, useSyncExternalStore } from "react";
import { noticeOf } from "../text/attention";
import { sessionLink } from "../text/route";
import type { Session } from "../wire";

const KEY = "agent-session-manager.bell";
const watchers = new Set<() => void>();
/** The keys of the sessions that this tab knows; null before the first load, whose sessions are not new. */
let known: ReadonlySet<string> | null = null;

export function canRing(): boolean {
  return "Notification" in window;
}

function isOn(): boolean {
  return canRing() && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
}

/** Turn the bell on or off; the browser asks for the permission first. Return whether it is on. */
export async function setBell(isWanted: boolean): Promise<boolean> {
  const isAllowed = isWanted && (await Notification.requestPermission()) === "granted";
  if (isAllowed) localStorage.setItem(KEY, "on");
  else localStorage.removeItem(KEY);
  for (const watcher of watchers) watcher();
  return isAllowed;
}

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  window.addEventListener("storage", watcher); // another tab
  return () => {
    watchers.delete(watcher);
    window.removeEventListener("storage", watcher);
  };
}

export function useBell(): boolean {
  return useSyncExternalStore(watch, isOn);
}

/** Return whether this tab rings the bell: one of all tabs does, and keeps its connection while it is hidden. */
export function useRingsBell(): boolean {
  const isWanted = useBell();
  const [isRinging, setRinging] = useState(false);
  useEffect(() => {
    if (!isWanted || !("locks" in navigator)) return;
    const leaving = new AbortController();
    let release = () => {};
    const ring = () =>
      new Promise<void>((done) => {
        release = done;
        setRinging(true);
      });
    navigator.locks.request(KEY, { signal: leaving.signal }, ring).catch(() => {});
    return () => {
      leaving.abort();
      release();
      setRinging(false);
    };
  }, [isWanted]);
  return isRinging;
}

/** Notify of the sessions that need the person since the last call, while the page is in the background. */
export function ring(sessions: readonly Session[], isRinging: boolean): void {
  const before = known;
  known = new Set(sessions.map(keyOf));
  if (before === null || !isRinging || document.hasFocus()) return;
  for (const session of sessions) {
    if (before.has(keyOf(session))) continue;
    const { title, body } = noticeOf(session, Date.now());
    try {
      const notice = new Notification(title, { body, tag: session.session_id });
      notice.onclick = () => {
        window.focus();
        window.location.hash = sessionLink(session.session_id);
        notice.close();
      };
    } catch {
      return; // some browsers permit notices only to service workers; the title has the count
    }
  }
}

function keyOf({ session_id, run, attention }: Session): string {
  return `${session_id} ${run} ${attention?.kind} ${attention?.kind === "asks" ? attention.seq : ""}`;
}
