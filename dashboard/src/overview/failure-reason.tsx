import { useQuery } from "@tanstack/react-query";
import { listEvents } from "../api/routes";
import { oneLine } from "../text/visible";
import { Line } from "../ui/text";
import type { Session } from "../wire";

const MAX_SHOWN = 300;

/** Why the newest run of a session failed: the first line of its error, otherwise the reason of its end. */
export function FailureReason({ session }: { session: Session }) {
  const end = useQuery({
    queryKey: ["end", session.session_id, session.generation, session.last_seq],
    queryFn: ({ signal }) =>
      listEvents(
        session.session_id,
        { event_type: "session_stop", before_seq: session.last_seq + 1, limit: 1 },
        signal,
      ),
  });
  const error = end.data?.events[0]?.error?.trim().split("\n", 1)[0];
  const text = oneLine((error || wordsFor(session)).slice(0, MAX_SHOWN));
  return (
    <p className="card-reason">
      <Line text={text} title={text} />
    </p>
  );
}

function wordsFor({ reason, exit_code }: Session): string {
  switch (reason) {
    case "timeout":
      return "the time limit was reached";
    case "budget":
      return "the budget was used up";
    case "lost":
      return "the run was lost: its lease expired";
    default:
      return exit_code === null ? "no reason given" : `exit code ${exit_code}`;
  }
}
