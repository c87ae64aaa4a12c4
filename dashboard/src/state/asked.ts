/** The address requested from a tab that is not signed in; the tab that signs in with a code opens it.
 *
 * It is stored for all tabs of this origin, and dropped when a tab signs in or the requesting tab is closed.
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
