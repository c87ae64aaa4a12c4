/** Parses server-sent events from the bytes of a response. */

import { createParser } from "eventsource-parser";

export interface Frame {
  readonly event: string;
  readonly cursor: string | null;
  readonly body: string;
}

/** Yield the frames of each read; an empty list means that only a ping arrived. */
export async function* readFrames(bytes: ReadableStream<Uint8Array>): AsyncGenerator<readonly Frame[]> {
  let frames: Frame[] = [];
  const parser = createParser({
    onEvent: ({ event, id, data }) =>
      frames.push({ event: event ?? "message", cursor: id ?? null, body: data }),
  });
  const reader = bytes.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield frames;
      frames = [];
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
