/** Notifies the reader when a watched session ends. */

import { setWatched, watchedSessions } from "../state/watched-sessions";
import { oneLine } from "../text/visible";
import { isRunning, type Session } from "../wire";

const SEEN_MS = 10_000;

/** Watch a session. Request permission for notifications; without it, the title of the page is used. */
export async function watchSession(sessionId: string): Promise<void> {
  setWatched(sessionId, true);
  if ("Notification" in window && Notification.permission === "default") {
    await Notification.requestPermission();
  }
}

export function noticeEnd(session: Session): void {
  if (isRunning(session) || !watchedSessions().has(session.session_id)) return;
  setWatched(session.session_id, false);
  const sentence = `${oneLine(session.session_name)}: ${session.state}`;
  if ("Notification" in window && Notification.permission === "granted") {
    try {
      new Notification(sentence, { tag: session.session_id });
      return;
    } catch {
      // Some browsers permit notifications only to service workers; use the title instead.
    }
  }
  showInTitle(`● ${sentence}`);
}

/** Show a notice in the title until the reader returns, or for ten seconds if the page has the focus. */
function showInTitle(notice: string): void {
  const before = document.title;
  document.title = notice;
  const restore = () => {
    if (document.title === notice) document.title = before;
  };
  if (document.hasFocus()) setTimeout(restore, SEEN_MS);
  else window.addEventListener("focus", restore, { once: true });
}
