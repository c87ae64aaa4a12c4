import { useEffect, useEffectEvent, useRef, useState } from "react";
import type { ApiError } from "../api/errors";
import type { Frame } from "../api/frames";
import { type Connection, openStream, type Stream } from "../api/stream";
import { usePageVisible } from "./use-page-visible";

export interface StreamOptions {
  /** The key of the stream; null for no stream. A new key opens a new stream. */
  readonly key: string | null;
  /** Whether the stream stays open while the page is hidden. */
  readonly isKept?: boolean;
  /** Return the cursor at which a new stream starts. */
  cursor(): string | null;
  connect(cursor: string | null, signal: AbortSignal): Promise<Response>;
  deliver(frames: readonly Frame[]): void;
  onRefusal(error: ApiError): "resume" | "close";
}

/** Frames that arrive within this time after a delivery are delivered together. */
const GATHER_MS = 60;

/** Follow a stream while the component is mounted and the page is visible or the stream is kept. */
export function useStream({ key, isKept = false, ...source }: StreamOptions): Connection {
  const [connection, setConnection] = useState<Connection>("connecting");
  const stream = useRef<Stream | null>(null);
  const isVisible = usePageVisible();
  const cursor = useEffectEvent(source.cursor);
  const connect = useEffectEvent(source.connect);
  const deliver = useEffectEvent(source.deliver);
  const onRefusal = useEffectEvent(source.onRefusal);

  useEffect(() => {
    if (key === null) return;
    let gathered: Frame[] = [];
    let delivered = Number.NEGATIVE_INFINITY;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
      const frames = gathered;
      gathered = [];
      timer = undefined;
      delivered = performance.now();
      deliver(frames);
    };
    const opened = openStream(
      {
        connect: (cursor, signal) => connect(cursor, signal),
        deliver(frames) {
          gathered.push(...frames);
          const wait = delivered + GATHER_MS - performance.now();
          if (wait <= 0 && timer === undefined) flush();
          else timer ??= setTimeout(flush, wait);
        },
        onConnection: setConnection,
        onRefusal: (error) => onRefusal(error),
      },
      cursor(),
    );
    stream.current = opened;
    return () => {
      clearTimeout(timer);
      opened.close();
      stream.current = null;
    };
  }, [key]);

  useEffect(() => {
    if (isVisible || isKept) stream.current?.resume();
    else stream.current?.pause();
  }, [isVisible, isKept]);

  return connection;
}
