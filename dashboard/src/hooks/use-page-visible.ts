import { useEffect, useState } from "react";

/** A browser has six connections for all tabs of one server, and every stream takes one. */
const GRACE_MS = 30_000;

/** False once the tab has been out of sight for a while. */
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
