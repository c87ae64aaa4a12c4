import { useQuery } from "@tanstack/react-query";
import { getSession, listSessions } from "../api/routes";
import { SESSION_LISTS } from "../feed/sessions-feed-provider";
import { type Related, relatedOf } from "../state/lists/related";
import { defaultFilter, type Session, type SessionFilter } from "../wire";

const LOOKED_AT = 200;

/** The parent of a session, its siblings and children, the session that it copies, and its copies among the newest of the project. */
export function useRelated(session: Session): readonly Related[] {
  const { session_id, parent_session_id, forked_from, project_dir } = session;
  const query = useQuery({
    queryKey: [SESSION_LISTS, "related", session_id],
    queryFn: async ({ signal }) => {
      const filters: Partial<SessionFilter>[] = [
        ...(parent_session_id ? [{ parent_session_id }] : []),
        ...(session.child_count > 0 ? [{ parent_session_id: session_id }] : []),
        ...(project_dir ? [{ project: project_dir }] : []),
      ];
      const ids = [parent_session_id, forked_from?.session_id].filter((id) => typeof id === "string");
      const [named, listed] = await Promise.all([
        // The parent or the original may be deleted.
        Promise.all(ids.map((id) => getSession(id, signal).catch(() => null))),
        Promise.all(
          filters.map((filter) =>
            listSessions({ ...defaultFilter, archived: "all", ...filter }, null, signal, LOOKED_AT),
          ),
        ),
      ]);
      return [...named.filter((each) => each !== null), ...listed.flatMap((page) => page.sessions)];
    },
    staleTime: 5000,
  });
  return relatedOf(session, query.data ?? []);
}
