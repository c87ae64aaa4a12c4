import { useEffect } from "react";
import { NEEDING } from "../text/attention";
import { defaultFilter, type SessionFilter } from "../wire";
import { ring, useRingsBell } from "./bell";
import { useSessionsFeed } from "./sessions-feed-provider";
import { type SessionList, useSessions } from "./use-sessions";

const NEEDS: SessionFilter = { ...defaultFilter, sort: "activity", attention: NEEDING };
const DONE: SessionFilter = { ...defaultFilter, sort: "activity", attention: ["done"] };
const POLL_MS = 5000;

export interface Attention {
  /** The sessions that need a person. */
  readonly needs: SessionList;
  /** The sessions that ended well since the person looked. */
  readonly done: SessionList;
}

/** What the sessions expect of a person. Views without the feed of all sessions poll it. */
export function useAttention(): Attention {
  const { isFollowed } = useSessionsFeed();
  const pollMs = isFollowed ? undefined : POLL_MS;
  const needs = useSessions(NEEDS, pollMs);
  const done = useSessions(DONE, pollMs);
  return { needs, done };
}

/** Ring the bell when a session needs the person. */
export function useRinging({ needs, done }: Attention): void {
  const isRinging = useRingsBell();
  const isLoading = needs.isLoading || done.isLoading;
  useEffect(() => {
    if (!isLoading) ring([...needs.sessions, ...done.sessions], isRinging);
  }, [isLoading, needs.sessions, done.sessions, isRinging]);
}
