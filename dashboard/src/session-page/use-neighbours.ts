import { useQueryClient } from "@tanstack/react-query";
import { listSessions } from "../api/routes";
import { SESSION_LISTS } from "../feed/sessions-feed-provider";
import { lastList } from "../hooks/left-place";
import { goTo } from "../hooks/use-route";
import { listFilter } from "../state/lists/filter";
import { defaultList, parseRoute, sessionLink } from "../text/address/route";
import { useToasts } from "../ui/toasts";
import type { SessionPage } from "../wire";

/** Return a function that goes to the next (1) or previous (-1) session of the list that was seen last. */
export function useNeighbours(sessionId: string): (direction: 1 | -1) => void {
  const queries = useQueryClient();
  const { show } = useToasts();
  return (direction) => void go(direction);

  async function go(direction: 1 | -1): Promise<void> {
    const route = parseRoute(lastList());
    const { filter } = listFilter(route.view === "sessions" ? route.list : defaultList);
    const key = [SESSION_LISTS, filter];
    const known = queries.getQueryData<{ pages: readonly SessionPage[] }>(key)?.pages;
    try {
      const pages = known ?? [await listSessions(filter, null)];
      const ids = pages.flatMap((page) => page.sessions.map((session) => session.session_id));
      const at = ids.indexOf(sessionId);
      const next = at < 0 ? undefined : ids[at + direction];
      if (next !== undefined) goTo(sessionLink(next));
      else
        show({
          text: at < 0 ? "This session is not in the list." : "There are no more sessions in the list.",
        });
    } catch {
      show({ text: "The list of sessions could not be loaded." });
    }
  }
}
