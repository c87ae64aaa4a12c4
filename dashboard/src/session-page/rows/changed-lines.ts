import { createContext } from "react";
import type { Lines } from "../../state/session/changed-files";

/** The lines that the edits of a session changed, by the seq of their row. */
export const ChangedLines = createContext<ReadonlyMap<number, Lines>>(new Map());
