/** Tell a reader who asked for it that a session has ended. */

import { setWatched, watchedSessions } from "../state/watched";
import { oneLine } from "../text/visible";
import type { Session } from "../wire";

const SEEN_MS = 10_000;

/** Watch a session; asks for the browser's permission, and does without where it is not given. */
export async function watchSession(sessionId: string): Promise<void> {
  setWatched(sessionId, true);
  if ("Notification" in window && Notification.permission === "default") {
    await Notification.requestPermission();
  }
}

export function noticeEnd(session: Session): void {
  if (session.state === "running" || !watchedSessions().has(session.session_id)) return;
  setWatched(session.session_id, false);
  const sentence = `${oneLine(session.session_name)}: ${session.state}`;
  if ("Notification" in window && Notification.permission === "granted") {
    try {
      new Notification(sentence, { tag: session.session_id });
      return;
    } catch {
      // Some browsers let only service workers notify; the title is what is left.
    }
  }
  showInTitle(`● ${sentence}`);
}

/** Until the reader comes back, or has had the time to see it. */
function showInTitle(notice: string): void {
  const before = document.title;
  document.title = notice;
  const restore = () => {
    if (document.title === notice) document.title = before;
  };
  if (document.hasFocus()) setTimeout(restore, SEEN_MS);
  else window.addEventListener("focus", restore, { once: true });
}
