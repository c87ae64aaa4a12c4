/** The page token. It is stored only in the session storage of the signed-in tabs.
 *
 * Tabs of this origin share it over a BroadcastChannel: a tab without a token requests it, and a tab that receives a
 * token publishes it. When the last tab is closed, the token is gone. A rejected token is never accepted again.
 */

const KEY = "agent-session-manager.token";

type Word = { readonly kind: "asked" } | { readonly kind: "given"; readonly token: string };

const watchers = new Set<() => void>();
const refused = new Set<string>();
let channel: BroadcastChannel | null = null;

export function currentToken(): string | null {
  return sessionStorage.getItem(KEY);
}

/** Store the token received for a code, and share it with the other tabs. */
export function keepToken(token: string): void {
  store(token);
  say({ kind: "given", token });
}

/** Drop a rejected token; a newer token that replaced it is kept. */
export function dropToken(token: string | null): void {
  if (token === null) return;
  refused.add(token);
  if (currentToken() !== token) return;
  sessionStorage.removeItem(KEY);
  tell();
}

/** Return whether this tab was signed in before. */
export function wasLetIn(): boolean {
  return refused.size > 0;
}

export function watchToken(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Request the token from the other tabs, and answer their requests from now on. */
export function joinTabs(): void {
  channel ??= new BroadcastChannel(KEY);
  channel.onmessage = ({ data }: MessageEvent<Word>) => hear(data);
  if (currentToken() === null) say({ kind: "asked" });
}

function hear(word: Word): void {
  const token = currentToken();
  if (word.kind === "asked") {
    if (token !== null) say({ kind: "given", token });
  } else if (token === null && !refused.has(word.token)) store(word.token);
}

function say(word: Word): void {
  channel?.postMessage(word);
}

function store(token: string): void {
  sessionStorage.setItem(KEY, token);
  tell();
}

function tell(): void {
  for (const watcher of watchers) watcher();
}
