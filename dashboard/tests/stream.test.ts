import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError, UnreachableError } from "../src/api/errors";
import type { Frame } from "../src/api/frames";
import { type Connection, delayBefore, openStream, SILENCE_MS, type StreamSource } from "../src/api/stream";

/** The server side of a stream: it records requests, and a test can send data or close it. */
class Manager {
  readonly cursors: (string | null)[] = [];
  readonly frames: Frame[] = [];
  readonly connections: Connection[] = [];
  refuseWith: Error | null = null;
  hasHungUp = false;
  verdict: "resume" | "close" = "resume";
  private feed: ReadableStreamDefaultController<Uint8Array> | null = null;

  readonly source: StreamSource = {
    connect: async (cursor, signal) => {
      this.cursors.push(cursor);
      if (this.refuseWith) throw this.refuseWith;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.feed = controller;
        },
      });
      signal.addEventListener("abort", () => {
        this.hasHungUp = true;
        this.feed?.error(signal.reason);
      });
      return new Response(body);
    },
    deliver: (frames) => void this.frames.push(...frames),
    onConnection: (connection) => void this.connections.push(connection),
    onRefusal: () => this.verdict,
  };

  async send(text: string): Promise<void> {
    this.feed?.enqueue(new TextEncoder().encode(text));
    await vi.advanceTimersByTimeAsync(0);
  }

  async cut(): Promise<void> {
    this.feed?.close();
    await vi.advanceTimersByTimeAsync(0);
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function opened(cursor: string | null = null) {
  const manager = new Manager();
  return { manager, stream: openStream(manager.source, cursor) };
}

test("frames are parsed from any split of the bytes", async () => {
  const { manager, stream } = opened();
  await manager.send(": hello\n\nid: aa:1\nevent: ev");
  await manager.send('ent\ndata: {"a":\ndata: 1}\n\n');
  expect(manager.frames).toEqual([{ event: "event", cursor: "aa:1", body: '{"a":\n1}' }]);
  expect(manager.connections.at(-1)).toBe("live");
  stream.close();
});

test("stream resumes at the last frame after a disconnect", async () => {
  const { manager, stream } = opened("aa:5");
  await manager.send("id: aa:7\ndata: {}\n\n");
  await manager.cut();
  expect(manager.connections.at(-1)).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(1000);
  expect(manager.cursors).toEqual(["aa:5", "aa:7"]);
  stream.close();
});

test("connection without pings is closed and reopened", async () => {
  const { manager, stream } = opened();
  await manager.send(": ping\n\n");
  await vi.advanceTimersByTimeAsync(SILENCE_MS - 1000);
  await manager.send(": ping\n\n");
  await vi.advanceTimersByTimeAsync(SILENCE_MS - 1000);
  expect(manager.cursors).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(3000);
  expect(manager.cursors).toHaveLength(2);
  stream.close();
});

test("stream is offline without a manager, and live when it is back", async () => {
  const manager = new Manager();
  manager.refuseWith = new UnreachableError("refused");
  const stream = openStream(manager.source, null);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(manager.connections.at(-1)).toBe("offline");
  manager.refuseWith = null;
  await vi.advanceTimersByTimeAsync(16_000);
  await manager.send(": ping\n\n");
  expect(manager.connections.at(-1)).toBe("live");
  stream.close();
});

test("final error response ends the stream", async () => {
  const manager = new Manager();
  manager.refuseWith = new ApiError(404, "session_not_found", "no session 'x'");
  manager.verdict = "close";
  openStream(manager.source, null);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(manager.cursors).toHaveLength(1);
  expect(manager.connections.at(-1)).toBe("closed");
});

test("paused stream sends no request and resumes at its cursor", async () => {
  const { manager, stream } = opened();
  await manager.send("id: aa:3\ndata: {}\n\n");
  stream.pause();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(manager.cursors).toEqual([null]);
  stream.resume();
  await vi.advanceTimersByTimeAsync(0);
  expect(manager.cursors).toEqual([null, "aa:3"]);
  stream.close();
});

test("closed stream disconnects and sends no further request", async () => {
  const { manager, stream } = opened();
  await manager.send(": ping\n\n");
  stream.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(manager.hasHungUp).toBe(true);
  expect(manager.cursors).toHaveLength(1);
  expect(manager.connections.at(-1)).toBe("closed");
});

test("delays grow up to a limit, with jitter and the server's minimum", () => {
  expect(delayBefore(0, 1, null)).toBe(500);
  expect(delayBefore(3, 1, null)).toBe(4000);
  expect(delayBefore(50, 1, null)).toBe(15_000);
  expect(delayBefore(50, 0, null)).toBe(3750);
  expect(delayBefore(0, 0, 7)).toBe(7000);
});
