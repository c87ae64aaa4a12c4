import { type ReactNode, Suspense, useContext } from "react";
import { WholeText } from "./text";

/** Parts that are loaded when they are first shown, with something in their place meanwhile; paper waits for them. */
export function Late({ fallback, children }: { fallback: ReactNode; children: ReactNode }) {
  return useContext(WholeText) ? children : <Suspense fallback={fallback}>{children}</Suspense>;
}
