/** Notifies the reader of new questions, if the reader wants it; the choice is stored for this browser. */

import { questionOf, subjectOf } from "../text/questions";
import { questionsLink } from "../text/route";
import { oneLine } from "../text/visible";
import type { OpenQuestion } from "../wire";

const KEY = "agent-session-manager.notify-questions";
const watchers = new Set<() => void>();
/** The questions that this tab has seen; null before the first load, whose questions are not new. */
let seen: ReadonlySet<string> | null = null;

export function canNotify(): boolean {
  return "Notification" in window;
}

export function isNotifying(): boolean {
  return canNotify() && Notification.permission === "granted" && localStorage.getItem(KEY) === "on";
}

/** Turn notifications on or off; the browser asks for the permission first. */
export async function setNotifying(isWanted: boolean): Promise<boolean> {
  const isAllowed = isWanted && (await Notification.requestPermission()) === "granted";
  if (isAllowed) localStorage.setItem(KEY, "on");
  else localStorage.removeItem(KEY);
  for (const watcher of watchers) watcher();
  return isAllowed;
}

export function onNotifyingChange(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Notify of the questions that are new since the last call. The tag keeps several tabs to one notice. */
export function noticeQuestions(questions: readonly OpenQuestion[]): void {
  const before = seen;
  seen = new Set(questions.map((question) => question.question_id));
  if (before === null || !isNotifying() || document.hasFocus()) return;
  for (const question of questions) {
    if (before.has(question.question_id)) continue;
    const title = `${oneLine(question.session_name)} waits for you`;
    const body = oneLine(subjectOf(questionOf(question.event)).slice(0, 200));
    try {
      const notice = new Notification(title, { body, tag: question.question_id });
      notice.onclick = () => {
        window.focus();
        window.location.hash = questionsLink();
        notice.close();
      };
    } catch {
      return; // some browsers permit notifications only to service workers; the title has the count
    }
  }
}
