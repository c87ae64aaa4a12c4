import { useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import { explain } from "../api/errors";
import { type EventQuery, listEvents } from "../api/routes";
import { useKeys } from "../hooks/use-keys";
import { replaceRoute } from "../hooks/use-route";
import { callTree, foldsAround } from "../state/call-tree";
import { arrange } from "../state/rows";
import type { Timeline } from "../state/timeline";
import { toggled } from "../state/toggled";
import { sessionLink } from "../text/route";
import { Empty } from "../ui/empty";
import { useToasts } from "../ui/toasts";
import type { Session } from "../wire";
import { JumpBar } from "./jump-bar";
import { TimelineList } from "./timeline-list";
import type { Target } from "./use-place";

interface TimelineViewProps {
  readonly session: Session;
  readonly timeline: Timeline;
  /** The event that the address names. */
  readonly seq: number | null;
  onShow(seqs: readonly number[]): void;
}

/** The events of a session with the ways to get about in them. */
export function TimelineView({ session, timeline, seq, onShow }: TimelineViewProps) {
  const { show } = useToasts();
  const [target, setTarget] = useState<Target | null>(seq === null ? null : { seq, jump: 0 });
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [endJumps, setEndJumps] = useState(0);
  const shown = useRef<readonly number[]>([]);
  const seqInput = useRef<HTMLInputElement>(null);
  const { session_id: sessionId, state, run } = session;

  const [followedSeq, setFollowedSeq] = useState(seq);
  if (seq !== followedSeq) {
    setFollowedSeq(seq);
    if (seq !== null && seq !== target?.seq) setTarget({ seq, jump: (target?.jump ?? 0) + 1 });
  }

  const tree = useMemo(() => callTree(timeline.events.values()), [timeline]);
  const arrangement = useMemo(
    () => arrange(timeline, tree, { state, run }, open),
    [timeline, tree, state, run, open],
  );

  const targetEvent = target === null ? undefined : timeline.events.get(target.seq);
  const isTargetLoaded = targetEvent !== undefined;
  const folds = targetEvent ? foldsAround(tree, targetEvent) : [];
  const isTargetReady = isTargetLoaded && folds.every((fold) => open.has(fold));
  const openFolds = useEffectEvent(() => setOpen((known) => new Set([...known, ...folds])));
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each target, as soon as it is there
  useEffect(() => {
    if (isTargetLoaded) openFolds();
  }, [isTargetLoaded, target]);

  function jumpTo(to: number): void {
    const within = Math.min(Math.max(1, to), Math.max(1, timeline.head));
    setTarget({ seq: within, jump: (target?.jump ?? 0) + 1 });
    setFollowedSeq(within);
    replaceRoute(sessionLink(sessionId, within));
  }

  async function jumpToFound(query: EventQuery, otherwise: string): Promise<void> {
    try {
      const found = (await listEvents(sessionId, query)).events[0];
      if (found) jumpTo(found.seq);
      else show({ text: otherwise });
    } catch (error) {
      show({ text: explain(error) });
    }
  }

  function here(): number {
    return target && shown.current.includes(target.seq) ? target.seq : (shown.current[0] ?? 1);
  }

  const jumps = {
    firstError: () => void jumpToFound({ has_error: true, limit: 1 }, "No event has an error."),
    nextCall: () =>
      void jumpToFound({ after_seq: here(), event_type: "pre_tool", limit: 1 }, "No tool call after this."),
    previousCall: () =>
      void jumpToFound({ before_seq: here(), event_type: "pre_tool", limit: 1 }, "No tool call before this."),
    seq: jumpTo,
    end() {
      setTarget(null);
      setFollowedSeq(null);
      replaceRoute(sessionLink(sessionId));
      setEndJumps((count) => count + 1);
    },
  };
  useKeys({
    e: jumps.firstError,
    n: jumps.nextCall,
    p: jumps.previousCall,
    G: jumps.end,
    "/": () => seqInput.current?.focus(),
  });

  return (
    <section className="timeline" aria-label="Events">
      <JumpBar head={timeline.head} jumps={jumps} seqInput={seqInput} />
      {timeline.head === 0 ? (
        <Empty title={state === "running" ? "Nothing has happened yet." : "This session has no events."} />
      ) : (
        <TimelineList
          sessionId={sessionId}
          head={timeline.head}
          arrangement={arrangement}
          target={target}
          isTargetReady={isTargetReady}
          endJumps={endJumps}
          onShow={(seqs) => {
            shown.current = seqs;
            onShow(seqs);
          }}
          onToggleSubagent={(key) => setOpen(toggled(open, key))}
          onJumpToEnd={jumps.end}
        />
      )}
    </section>
  );
}
