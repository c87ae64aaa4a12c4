/** The place that a tab which is not let in was asked for: the tab that gets in with a code goes there.
 *
 * It is kept for all tabs of this origin, and forgotten once a tab is let in, or its own is closed.
 */

import { currentToken, watchToken } from "../api/token";

const KEY = "agent-session-manager.asked";

export function keepAsked(hash: string): void {
  if (currentToken() === null) localStorage.setItem(KEY, hash);
}

export function forgetAsked(): void {
  localStorage.removeItem(KEY);
}

watchToken(() => {
  if (currentToken() !== null) forgetAsked();
});

export function takeAsked(): string | null {
  const hash = localStorage.getItem(KEY);
  forgetAsked();
  return hash?.startsWith("#/") ? hash : null;
}
