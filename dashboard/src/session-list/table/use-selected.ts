import { useQuery } from "@tanstack/react-query";
import { loadSessions } from "../../api/routes";
import { SESSION_LISTS } from "../../feed/sessions-feed-provider";
import type { SessionList } from "../../feed/use-sessions";
import { isSelected, type Selection } from "../../state/lists/selection";
import { type Session, type SessionFilter, type SessionState, takesRequests } from "../../wire";

export interface Selected {
  readonly count: number;
  /** The selected sessions, as far as they are loaded. */
  readonly sessions: readonly Session[];
  /** The selected sessions that can be asked to stop. */
  readonly stoppable: readonly Session[];
  /** Return all selected sessions; those that are not loaded yet are loaded. */
  load(): Promise<readonly Session[]>;
}

interface SelectedOptions {
  readonly selection: Selection;
  readonly filter: SessionFilter;
  readonly list: SessionList;
  /** The sessions of the rows, children included. */
  readonly byId: ReadonlyMap<string, Session>;
}

/** The sessions of a selection. Of all that match the filter, only the running ones are loaded at once. */
export function useSelected({ selection, filter, list, byId }: SelectedOptions): Selected {
  const isBeyond = selection.isAll && list.hasMore;
  const running = runningOf(filter);
  const stoppable = useQuery({
    queryKey: [SESSION_LISTS, "stoppable", running],
    queryFn: ({ signal }) => (running ? loadSessions(running, signal) : []),
    enabled: isBeyond,
    staleTime: 5000,
  });
  const isChosen = ({ session_id }: Session) => isSelected(selection, session_id);
  const shown = selection.isAll ? list.sessions : [...byId.values()];
  const sessions = shown.filter(isChosen);
  if (isBeyond) {
    return {
      count: list.total - selection.ids.size,
      sessions: [],
      stoppable: (stoppable.data ?? []).filter(takesRequests).filter(isChosen),
      load: async () => (await loadSessions(filter)).filter(isChosen),
    };
  }
  return {
    count: sessions.length,
    sessions,
    stoppable: sessions.filter(takesRequests),
    load: async () => sessions,
  };
}

const OPEN_STATES: readonly SessionState[] = ["running", "waiting"];

/** Return a filter for those sessions of a filter that run; null if it excludes them. */
function runningOf(filter: SessionFilter): SessionFilter | null {
  const state = OPEN_STATES.filter((each) => filter.state.length === 0 || filter.state.includes(each));
  return state.length > 0 ? { ...filter, state } : null;
}
