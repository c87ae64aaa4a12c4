/** The page token: in the session storage of the tabs that are let in, and nowhere else.
 *
 * Tabs of this origin hand it to each other over a BroadcastChannel: a tab without a token asks, and one that gets a
 * token says so. Nothing is left once the last tab is closed. A token that was refused is never taken again.
 */

const KEY = "agent-session-manager.token";

type Word = { readonly kind: "asked" } | { readonly kind: "given"; readonly token: string };

const watchers = new Set<() => void>();
const refused = new Set<string>();
let channel: BroadcastChannel | null = null;

export function currentToken(): string | null {
  return sessionStorage.getItem(KEY);
}

/** Keep a token that was got for a code, and let the other tabs in. */
export function keepToken(token: string): void {
  store(token);
  say({ kind: "given", token });
}

/** Drop a token that was refused, unless another one has taken its place meanwhile. */
export function dropToken(token: string | null): void {
  if (token === null) return;
  refused.add(token);
  if (currentToken() !== token) return;
  sessionStorage.removeItem(KEY);
  tell();
}

/** Whether this tab was let in before. */
export function wasLetIn(): boolean {
  return refused.size > 0;
}

export function watchToken(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Ask the other tabs for their token, and answer them from now on. */
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
