/** The sessions whose end the reader wants to be notified of; stored for this tab. */

const KEY = "agent-session-manager.watched";

const watchers = new Set<() => void>();
let watched: ReadonlySet<string> = load();

export function watchedSessions(): ReadonlySet<string> {
  return watched;
}

export function setWatched(sessionId: string, isWatched: boolean): void {
  const next = new Set(watched);
  if (isWatched) next.add(sessionId);
  else next.delete(sessionId);
  watched = next;
  sessionStorage.setItem(KEY, JSON.stringify([...next]));
  for (const watcher of watchers) watcher();
}

export function onWatchedChange(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function load(): ReadonlySet<string> {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return new Set(Array.isArray(kept) ? kept.filter((id) => typeof id === "string") : []);
  } catch {
    return new Set();
  }
}
