import { useContext, useEffect, useEffectEvent } from "react";
import { HasKeys } from "./use-keys";

/** Print by the keys of the browser's own command, which would print only the visible part; null leaves them to it. */
export function usePrintKeys(print: (() => void) | null): void {
  const isMine = useContext(HasKeys);
  const onPress = useEffectEvent((event: KeyboardEvent) => {
    if (event.key.toLowerCase() !== "p" || event.altKey || event.shiftKey) return;
    if (!(event.ctrlKey || event.metaKey) || !isMine || print === null) return;
    event.preventDefault();
    print();
  });
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => onPress(event);
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, []);
}
