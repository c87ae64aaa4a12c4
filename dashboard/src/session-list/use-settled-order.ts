import { useState } from "react";
import { settle } from "../state/session-list";

interface SettledOrder {
  readonly ids: readonly string[];
  readonly waiting: number;
  /** Show the waiting sessions in their places. */
  reveal(): void;
}

/** Return the order to show: the wanted order, but without moving rows while the reader uses the list. */
export function useSettledOrder(wanted: readonly string[], isHeld: boolean): SettledOrder {
  const [shown, setShown] = useState(wanted);
  const { ids, waiting } = settle(shown, wanted, isHeld);
  if (!isSame(ids, shown)) setShown(ids);
  return { ids, waiting, reveal: () => setShown(wanted) };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((id, place) => id === b[place]));
}
