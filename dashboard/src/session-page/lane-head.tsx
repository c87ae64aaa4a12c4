import { useQuery } from "@tanstack/react-query";
import { listEvents } from "../api/routes";
import { isOfCall } from "../state/session/call-keys";
import { distinct, type Outline } from "../state/session/outline";
import { sessionLink } from "../text/address/route";
import { gist } from "../text/content/calls";
import { plural } from "../text/format";
import { oneLine } from "../text/visible";
import { Empty } from "../ui/empty";
import { Icon } from "../ui/icons";
import { Line } from "../ui/text";
import type { Session } from "../wire";

interface LaneProps {
  readonly session: Session;
  readonly outline: Outline;
  /** The event that began the call. */
  readonly callSeq: number;
}

/** Tells which subagent is shown alone, and leads back to its call. */
export function LaneHead({ session, outline, callSeq }: LaneProps) {
  const { session_id, generation } = session;
  const call = useQuery({
    queryKey: ["call", session_id, generation, callSeq],
    queryFn: async ({ signal }) =>
      (await listEvents(session_id, { after_seq: callSeq - 1, limit: 1 }, signal)).events[0] ?? null,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const begun = call.data && isOfCall(call.data) ? call.data : null;
  const what = begun?.kind === "pre_tool" ? gist(begun.tool_input) : "";
  const bad = distinct(outline.entries);
  const counts = [
    plural(outline.calls.length, "call"),
    ...(["failure", "denial"] as const).map((kind) => {
      const count = bad.filter((entry) => entry.kind === kind).length;
      return count > 0 ? `${count} ${kind === "denial" ? "denied" : "failed"}` : null;
    }),
  ];
  return (
    <div className="lane-head">
      <Back session={session} callSeq={callSeq} />
      <h2>
        <Icon name="subagent" />
        <Line text={what || oneLine(begun?.tool_name ?? "Subagent")} title={oneLine(what)} />
      </h2>
      <span className="quiet-text number">{counts.filter(Boolean).join(" · ")}</span>
    </div>
  );
}

/** Shown while the outline has no event of the subagent. */
export function NoLane({ session, outline, callSeq }: LaneProps) {
  const isReading = outline.through < session.last_seq;
  return (
    <section className="session-part" aria-label="Subagent">
      <div className="tab-bar">
        <Back session={session} callSeq={callSeq} />
      </div>
      {isReading ? (
        <p role="status" className="part-scroll">
          Reading the events …
        </p>
      ) : (
        <Empty title={`Event ${callSeq} has not started a subagent with events.`} />
      )}
    </section>
  );
}

function Back({ session, callSeq }: Pick<LaneProps, "session" | "callSeq">) {
  return (
    <a
      className="button quiet lane-back"
      href={sessionLink(session.session_id, callSeq)}
      title="Back (Escape)"
    >
      <Icon name="chevron" />
      Back to event {callSeq}
    </a>
  );
}
