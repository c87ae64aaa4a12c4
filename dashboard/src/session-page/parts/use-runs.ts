import { useQuery } from "@tanstack/react-query";
import { listRuns } from "../../api/routes";
import type { Run, Session } from "../../wire";

/** The runs of a session, oldest first; empty until they are loaded. */
export function useRuns(session: Session): readonly Run[] {
  const query = useQuery({
    queryKey: ["runs", session.session_id, session.generation, session.run, session.state],
    queryFn: ({ signal }) => listRuns(session.session_id, signal),
    placeholderData: (before) => before,
  });
  return query.data ?? [];
}

/** Return the seconds that a run took, or has taken by now. */
export function secondsOf(run: Pick<Run, "started_at" | "finished_at">, now: number): number {
  const end = run.finished_at === null ? now : Date.parse(run.finished_at);
  return Math.max(0, (end - Date.parse(run.started_at)) / 1000);
}
