/** The only module that owns streams: it opens them, resumes them at their cursor, and reports their state.
 *
 * Frames arrive in order. After a reconnect the server continues after the cursor of the last delivered
 * frame. A stream ends only if its owner closes it, or answers "close" to a refusal.
 */

import { ApiError } from "./errors";
import { type Frame, readFrames } from "./frames";

export type Connection = "connecting" | "live" | "reconnecting" | "offline" | "closed";

export interface StreamSource {
  /** Return a response whose body is the stream, or throw an ApiError or UnreachableError. */
  connect(cursor: string | null, signal: AbortSignal): Promise<Response>;
  deliver(frames: readonly Frame[]): void;
  onConnection(connection: Connection): void;
  /** Decide whether to close the stream after an error response, or to try again later. */
  onRefusal(error: ApiError): "resume" | "close";
}

export interface Stream {
  /** Close the connection and keep the cursor. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** The server pings every 15 seconds; after two missing pings the connection counts as dead. */
export const SILENCE_MS = 40_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** Number of failures in a row after which the state is "offline". */
const OFFLINE_AFTER = 4;

/** Exponential backoff with jitter, but at least the delay that the server requested. */
export function delayBefore(attempt: number, random: number, retryAfterSeconds: number | null): number {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  return Math.max(ceiling / 4 + random * ceiling * 0.75, (retryAfterSeconds ?? 0) * 1000);
}

export function openStream(source: StreamSource, startCursor: string | null): Stream {
  let cursor = startCursor;
  let isPaused = false;
  let failures = 0;
  let connecting: AbortController | null = null;
  let retry: ReturnType<typeof setTimeout> | undefined;

  function begin(): void {
    clearTimeout(retry);
    connecting?.abort();
    connecting = new AbortController();
    void keepReading(connecting);
  }

  async function keepReading(attempt: AbortController): Promise<void> {
    let retryAfterSeconds: number | null = null;
    try {
      await read(attempt);
    } catch (error) {
      if (attempt !== connecting) return;
      if (error instanceof ApiError) {
        if (source.onRefusal(error) === "close") return close();
        retryAfterSeconds = error.retryAfterSeconds;
      }
    }
    if (attempt !== connecting) return;
    source.onConnection(failures >= OFFLINE_AFTER ? "offline" : "reconnecting");
    retry = setTimeout(begin, delayBefore(failures, Math.random(), retryAfterSeconds));
    failures += 1;
  }

  async function read(attempt: AbortController): Promise<void> {
    let watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
    try {
      const response = await source.connect(cursor, attempt.signal);
      if (response.body === null) return;
      for await (const frames of readFrames(response.body)) {
        if (attempt !== connecting) return;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => attempt.abort(), SILENCE_MS);
        failures = 0;
        source.onConnection("live");
        if (frames.length > 0) source.deliver(frames);
        cursor = frames.findLast((frame) => frame.cursor !== null)?.cursor ?? cursor;
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  function cut(): void {
    clearTimeout(retry);
    const attempt = connecting;
    connecting = null;
    attempt?.abort();
  }

  function close(): void {
    cut();
    isPaused = true;
    globalThis.removeEventListener?.("online", hurry);
    source.onConnection("closed");
  }

  /** Retry at once when the network is back. */
  function hurry(): void {
    if (!isPaused && failures > 0) begin();
  }

  globalThis.addEventListener?.("online", hurry);
  source.onConnection("connecting");
  begin();
  return {
    pause() {
      isPaused = true;
      cut();
    },
    resume() {
      if (!isPaused) return;
      isPaused = false;
      failures = 0;
      begin();
    },
    close,
  };
}
