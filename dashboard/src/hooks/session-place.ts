import { createContext, useContext } from "react";
import { sessionLink } from "../text/address/route";
import { lastList } from "./left-place";
import { goTo } from "./use-route";

/** Where a session is shown: on a page of its own, or as one side of two. */
interface SessionPlace {
  /** Return a link to an event, or to the end, that keeps the place. */
  link(sessionId: string, seq?: number, query?: string): string;
  /** Go away from the session, for example after it was deleted. */
  leave(): void;
}

export const SessionPlaces = createContext<SessionPlace>({
  link: sessionLink,
  leave: () => goTo(lastList()),
});

export function useSessionPlace(): SessionPlace {
  return useContext(SessionPlaces);
}
