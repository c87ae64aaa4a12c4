import { useEffect, useState } from "react";

/** Hidden tabs close their stream after this time: a browser has six connections per server for all tabs. */
const GRACE_MS = 30_000;

/** Return false when the tab has been hidden for a while. */
export function usePageVisible(): boolean {
  const [isVisible, setVisible] = useState(true);
  useEffect(() => {
    let hide: ReturnType<typeof setTimeout> | undefined;
    function look(): void {
      clearTimeout(hide);
      if (document.visibilityState === "visible") setVisible(true);
      else hide = setTimeout(() => setVisible(false), GRACE_MS);
    }
    document.addEventListener("visibilitychange", look);
    return () => {
      clearTimeout(hide);
      document.removeEventListener("visibilitychange", look);
    };
  }, []);
  return isVisible;
}
