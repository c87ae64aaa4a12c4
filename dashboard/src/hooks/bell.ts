/** The bell: notices of the browser when a session needs the person. The choice is stored for this browser. */

import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { sessionLink } from "../text/address/route";
import { noticeOf } from "../text/attention";
import type { Session } from "../wire";

const KEY = "agent-session-manager.bell";
const watchers = new Set<() => void>();

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

/** Return whether this tab rings the bell: one of all tabs does. Call it once, as it asks for the lock of the bell. */
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

/** Notify of the sessions that need the person or are done since the last call, while the page is in the background. */
export function useRinging(sessions: readonly Session[], isLoading: boolean): void {
  /** Null before the first load, whose sessions are not new. */
  const known = useRef<ReadonlySet<string> | null>(null);
  useEffect(() => {
    if (isLoading) return;
    const before = known.current;
    known.current = new Set(sessions.map(keyOf));
    if (before === null || document.hasFocus()) return;
    for (const session of sessions) if (!before.has(keyOf(session))) ring(session);
  }, [sessions, isLoading]);
}

function ring(session: Session): void {
  const { title, body } = noticeOf(session, Date.now());
  try {
    const notice = new Notification(title, { body, tag: session.session_id });
    notice.onclick = () => {
      window.focus();
      window.location.hash = sessionLink(session.session_id);
      notice.close();
    };
  } catch {
    // Some browsers permit notices only to service workers; the title has the count.
  }
}

function keyOf({ session_id, run, attention }: Session): string {
  return `${session_id} ${run} ${attention?.kind} ${attention?.kind === "asks" ? attention.seq : ""}`;
}
