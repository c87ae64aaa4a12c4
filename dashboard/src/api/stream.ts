/** The one place that owns a stream: opens it, resumes it with its cursor, and says how it stands.
 *
 * Frames come in order; after a reconnect the server goes on from the cursor of the last frame that
 * was delivered. A stream ends only when its owner closes it or calls it final.
 */

import { ApiError } from "./errors";
import { type Frame, readFrames } from "./frames";

export type Connection = "connecting" | "live" | "reconnecting" | "offline" | "closed";

export interface StreamSource {
  /** Answer with a response whose body is the stream, or fail with an ApiError or UnreachableError. */
  connect(cursor: string | null, signal: AbortSignal): Promise<Response>;
  deliver(frames: readonly Frame[]): void;
  onConnection(connection: Connection): void;
  /** Decide about a refusal. "resume" tries again later. */
  onRefusal(error: ApiError): "resume" | "close";
}

export interface Stream {
  /** Cut the connection for now; the cursor is kept. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Pings come every 15 seconds: two of them missing is a connection that nobody closed. */
export const SILENCE_MS = 40_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
/** So many failures in a row are no hiccup any more. */
const OFFLINE_AFTER = 4;

/** Exponential with full jitter, and never less than the server asked for. */
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

  /** The network is back: do not sit out the rest of a long delay. */
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
