import { useEffect } from "react";

const PRODUCT = document.title;

/** Show the subject of the view in the title of the tab. */
export function useTitle(subject: string | null): void {
  useEffect(() => {
    document.title = subject === null ? PRODUCT : `${subject} – ${PRODUCT}`;
    return () => {
      document.title = PRODUCT;
    };
  }, [subject]);
}
