/** The token: in this tab's session storage and nowhere else, so that closing the tab forgets it. */

const KEY = "agent-session-manager.token";

const watchers = new Set<() => void>();

export function currentToken(): string | null {
  return sessionStorage.getItem(KEY);
}

export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
  tell();
}

/** Drop a token that was refused, unless another one has taken its place meanwhile. */
export function dropToken(refused: string | null): void {
  if (refused === null || currentToken() !== refused) return;
  sessionStorage.removeItem(KEY);
  tell();
}

export function watchToken(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function tell(): void {
  for (const watcher of watchers) watcher();
}
