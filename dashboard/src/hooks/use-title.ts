import { useEffect } from "react";

const PRODUCT = document.title;

/** Name what is on the screen in the browser's tab. */
export function useTitle(subject: string | null): void {
  useEffect(() => {
    document.title = subject === null ? PRODUCT : `${subject} – ${PRODUCT}`;
    return () => {
      document.title = PRODUCT;
    };
  }, [subject]);
}
