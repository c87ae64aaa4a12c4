import { useState } from "react";
import { settle } from "../../state/lists/sessions";

interface SettledOrder {
  readonly ids: readonly string[];
  readonly waiting: number;
  /** Show the waiting sessions in their places. */
  reveal(): void;
}

/** Return the order to show: the wanted order, but without moving rows while the reader uses the list.
 *
 * While the list is old, `wanted` is that of another filter or order: what replaces it has its own order.
 */
export function useSettledOrder(wanted: readonly string[], isHeld: boolean, isOld: boolean): SettledOrder {
  const [shown, setShown] = useState(wanted);
  const [wasOld, setWasOld] = useState(isOld);
  const { ids, waiting } = settle(shown, wanted, isHeld && !wasOld);
  if (wasOld !== isOld) setWasOld(isOld);
  if (!isSame(ids, shown)) setShown(ids);
  return { ids, waiting, reveal: () => setShown(wanted) };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((id, place) => id === b[place]));
}
