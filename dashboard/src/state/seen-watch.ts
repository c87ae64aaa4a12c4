/** Decides when a reader has seen the end of a run: after two seconds of looking at it. */

export const LOOK_MS = 2000;

/** Starts a timer and returns a function that stops it. */
export type Timer = (act: () => void, ms: number) => () => void;

export const windowTimer: Timer = (act, ms) => {
  const timer = setTimeout(act, ms);
  return () => clearTimeout(timer);
};

/** Watches one session. The end of a run is reported once, so that "Mark as unseen" is not undone by a look. */
export class SeenWatch {
  private stop: (() => void) | null = null;
  private looked = 0;
  private reported = 0;

  constructor(
    private readonly timer: Timer,
    private readonly onSeen: (run: number) => void,
  ) {}

  /** Tell which run's end the reader looks at now; null if none. */
  look(run: number | null): void {
    if (run !== null && this.stop !== null && run === this.looked) return;
    this.lookAway();
    if (run === null || run <= this.reported) return;
    this.looked = run;
    this.stop = this.timer(() => {
      this.stop = null;
      this.reported = run;
      this.onSeen(run);
    }, LOOK_MS);
  }

  lookAway(): void {
    this.stop?.();
    this.stop = null;
  }
}
