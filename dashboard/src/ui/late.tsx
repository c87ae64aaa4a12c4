import { type ReactNode, Suspense, useContext } from "react";
import { WholeText } from "./text";

/** Components that are loaded on first use, with a fallback until then; printing waits for them. */
export function Late({ fallback, children }: { fallback: ReactNode; children: ReactNode }) {
  return useContext(WholeText) ? children : <Suspense fallback={fallback}>{children}</Suspense>;
}
