import { createContext, useContext, useEffect, useEffectEvent } from "react";

/** Actions by key, for example "j", "?" or "ArrowDown", or by "g" and a second key, for example "g s". */
export type KeyMap = Readonly<Record<string, (event: KeyboardEvent) => void>>;

const SEQUENCE_MS = 1000;
/** The first key of all sequences. */
const PREFIX = "g";

/** Whether keys belong to this part of the page: of two sides, only one has them. */
export const HasKeys = createContext(true);

/** Handle the keys of a view, except while the reader types, holds a modifier, or has a dialog open. */
export function useKeys(keys: KeyMap): void {
  const isMine = useContext(HasKeys);
  const act = useEffectEvent((name: string, event: KeyboardEvent) => {
    const action = keys[name];
    if (action === undefined || !isMine) return;
    event.preventDefault();
    action(event);
  });

  useEffect(() => {
    let before = "";
    let beforeAt = 0;
    function onKey(event: KeyboardEvent): void {
      if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || isBusy(event.target)) {
        before = ""; // another view had the sequence
        return;
      }
      const isSequence = event.timeStamp - beforeAt < SEQUENCE_MS;
      // The key after the prefix is not a key of its own: another view may have the sequence.
      const name = isSequence && before === PREFIX ? `${before} ${event.key}` : event.key;
      act(name, event);
      before = event.key;
      beforeAt = event.timeStamp;
    }
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}

function isBusy(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]") !== null) return true;
  return (
    target instanceof HTMLElement &&
    target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null
  );
}
