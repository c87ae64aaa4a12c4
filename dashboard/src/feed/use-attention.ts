import { NEEDING } from "../text/attention";
import { defaultFilter, type SessionFilter } from "../wire";
import { useSessionsFeed } from "./sessions-feed-provider";
import { type SessionList, useSessions } from "./use-sessions";

const NEEDS: SessionFilter = { ...defaultFilter, sort: "activity", attention: NEEDING };
const DONE: SessionFilter = { ...defaultFilter, sort: "activity", attention: ["done"] };
const POLL_MS = 5000;

/** The sessions that need a person. Views without the feed of all sessions poll them. */
export function useNeeding(): SessionList {
  const { isFollowed } = useSessionsFeed();
  return useSessions(NEEDS, isFollowed ? undefined : POLL_MS);
}

/** The sessions that ended well since the person looked. */
export function useDone(): SessionList {
  const { isFollowed } = useSessionsFeed();
  return useSessions(DONE, isFollowed ? undefined : POLL_MS);
}
