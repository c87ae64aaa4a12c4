import { useState } from "react";
import { settle } from "../state/session-list";

interface SettledOrder {
  readonly ids: readonly string[];
  readonly waiting: number;
  /** Put what waits into its place. */
  reveal(): void;
}

/** The order on the screen: the wanted one, but that nothing moves while the reader is held by it. */
export function useSettledOrder(wanted: readonly string[], isHeld: boolean): SettledOrder {
  const [shown, setShown] = useState(wanted);
  const { ids, waiting } = settle(shown, wanted, isHeld);
  if (!isSame(ids, shown)) setShown(ids);
  return { ids, waiting, reveal: () => setShown(wanted) };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((id, place) => id === b[place]));
}
