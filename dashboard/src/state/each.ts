/** The outcome of an action on many things. */
export interface Outcome {
  readonly done: number;
  readonly failed: number;
  readonly firstError: unknown;
}

const AT_ONCE = 4;

/** Act on each thing, some at once; a failure does not stop the others, `signal` does. */
export async function forEach<Thing>(
  things: readonly Thing[],
  act: (thing: Thing) => Promise<void>,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<Outcome> {
  const waiting = things.values();
  let done = 0;
  const errors: unknown[] = [];
  const work = async () => {
    for (const thing of waiting) {
      await act(thing).then(
        () => {
          done += 1;
        },
        (error: unknown) => errors.push(error),
      );
      onProgress(done + errors.length);
      if (signal.aborted) return;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { done, failed: errors.length, firstError: errors[0] ?? null };
}
