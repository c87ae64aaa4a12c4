import { useEffect } from "react";

const PRODUCT = document.title;
let subject: string | null = null;
let waiting = 0;

function showTitle(): void {
  const count = waiting > 0 ? `(${waiting}) ` : "";
  document.title = count + (subject === null ? PRODUCT : `${subject} – ${PRODUCT}`);
}

/** Show the subject of the view in the title of the tab. */
export function useTitle(shown: string | null): void {
  useEffect(() => {
    subject = shown;
    showTitle();
    return () => {
      subject = null;
      showTitle();
    };
  }, [shown]);
}

/** Show the number of sessions that need the person in the title of the tab. */
export function useTitleCount(count: number): void {
  useEffect(() => {
    waiting = count;
    showTitle();
    return () => {
      waiting = 0;
      showTitle();
    };
  }, [count]);
}
