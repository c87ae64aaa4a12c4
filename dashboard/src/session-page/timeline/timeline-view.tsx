import { type ReactNode, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import { explain } from "../../api/errors";
import { type EventQuery, listEvents } from "../../api/routes";
import { usePlaceLeft } from "../../hooks/left-place";
import { useKeys } from "../../hooks/use-keys";
import { goTo, replaceRoute } from "../../hooks/use-route";
import { callTree, foldsAround } from "../../state/call-tree";
import { arrange } from "../../state/rows";
import { toggled } from "../../state/sets";
import { eventsAfter, type Timeline } from "../../state/timeline";
import { plural, wholeNumber } from "../../text/format";
import { searchLink, sessionLink } from "../../text/route";
import { SoughtWords } from "../../text/sought-words";
import { Empty } from "../../ui/empty";
import { useToasts } from "../../ui/toasts";
import type { Session } from "../../wire";
import { useCopied } from "../use-copied";
import { JumpBar } from "./jump-bar";
import { COPIED, TimelineList, type TimelinePlace } from "./timeline-list";
import type { Target } from "./use-scroll-position";

interface TimelineViewProps {
  readonly session: Session;
  readonly timeline: Timeline;
  /** The event that the address names. */
  readonly seq: number | null;
  /** The search query by which this event was found. */
  readonly query: string | null;
  onShow(seqs: readonly number[]): void;
  /** What needs the reader first, above the events. */
  readonly children?: ReactNode;
}

/** The events of a session, with buttons and keys to jump in them. */
export function TimelineView({ session, timeline, seq, query, onShow, children }: TimelineViewProps) {
  const { show } = useToasts();
  const { session_id: sessionId, generation, state, run } = session;
  const left = usePlaceLeft<TimelinePlace>(sessionLink(sessionId), seq !== null);
  const back = left?.generation === generation ? left : null;
  const [wanted, setWanted] = useState<Target | null>(() => firstTarget(seq, back));
  // The event does not exist (yet): the end is shown until it exists.
  const isMissing = wanted !== null && wanted.seq > timeline.head;
  const target = isMissing ? null : wanted;
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(back?.openFolds));
  const [endJumps, setEndJumps] = useState(0);
  const shown = useRef<readonly number[]>([]);
  const hasMoved = useRef(false); // since the last jump
  const seqInput = useRef<HTMLInputElement>(null);

  const [followedSeq, setFollowedSeq] = useState(seq);
  if (seq !== followedSeq) {
    setFollowedSeq(seq);
    if (seq !== null && seq !== wanted?.seq) setWanted({ seq, jump: (wanted?.jump ?? 0) + 1, offset: null });
  }

  const count = useCopied(session) ?? 0;
  const from = session.forked_from?.session_id ?? "";
  const copied = useMemo(() => (count > 0 ? { count, from } : null), [count, from]);
  const folded = open.has(COPIED) ? 0 : count;
  const tree = useMemo(() => callTree(eventsAfter(timeline, folded)), [timeline, folded]);
  const arrangement = useMemo(
    () => arrange(timeline, tree, { state, run }, open, folded),
    [timeline, tree, state, run, open, folded],
  );

  const targetEvent = target === null ? undefined : timeline.events.get(target.seq);
  const isTargetLoaded = targetEvent !== undefined;
  const isTargetCopied = target !== null && target.seq <= count;
  const folds = [...(isTargetCopied ? [COPIED] : []), ...(targetEvent ? foldsAround(tree, targetEvent) : [])];
  const isTargetReady = isTargetLoaded && folds.every((fold) => open.has(fold));
  const openFolds = useEffectEvent(() => setOpen((known) => new Set([...known, ...folds])));
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each target, as soon as it is loaded
  useEffect(() => {
    if (isTargetLoaded || isTargetCopied) openFolds();
  }, [isTargetLoaded, isTargetCopied, target]);

  const words = useMemo(() => (query === null ? null : new SoughtWords(query)), [query]);
  const hit = useMemo(() => (seq !== null && words ? { seq, words } : null), [seq, words]);

  function jumpTo(to: number): void {
    hasMoved.current = false;
    const within = Math.min(Math.max(1, to), Math.max(1, timeline.head));
    setWanted({ seq: within, jump: (wanted?.jump ?? 0) + 1, offset: null });
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
    // The list reports its visible rows after rendering; a second jump can happen before that.
    return target && (!hasMoved.current || shown.current.includes(target.seq))
      ? target.seq
      : (shown.current[0] ?? 1);
  }

  const jumps = {
    firstError: () => void jumpToFound({ has_error: true, limit: 1 }, "No event has an error."),
    nextCall: () =>
      void jumpToFound({ after_seq: here(), event_type: "pre_tool", limit: 1 }, "No tool call after this."),
    previousCall: () =>
      void jumpToFound({ before_seq: here(), event_type: "pre_tool", limit: 1 }, "No tool call before this."),
    seq: jumpTo,
    end() {
      setWanted(null);
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
    "#": () => seqInput.current?.focus(),
    f: () => goTo(searchLink({ session_id: sessionId })),
  });

  return (
    <section className="timeline" aria-label="Events">
      <JumpBar sessionId={sessionId} head={timeline.head} jumps={jumps} seqInput={seqInput} />
      {children}
      {isMissing && (
        <p className="problem missing-event" role="status">
          {`There is no event ${wholeNumber(wanted.seq)}: this session has ${timeline.head === 0 ? "no events" : plural(timeline.head, "event")}.`}
        </p>
      )}
      {timeline.head === 0 ? (
        <Empty title={state === "running" ? "Nothing has happened yet." : "This session has no events."} />
      ) : (
        <TimelineList
          sessionId={sessionId}
          head={timeline.head}
          arrangement={arrangement}
          copied={copied}
          hit={hit}
          target={target}
          isTargetReady={isTargetReady}
          openCalls={back?.openCalls ?? []}
          openFolds={open}
          generation={generation}
          endJumps={endJumps}
          onShow={(seqs) => {
            shown.current = seqs;
            onShow(seqs);
          }}
          onMove={() => {
            hasMoved.current = true;
          }}
          onToggleSubagent={(key) => setOpen(toggled(open, key))}
          onJumpToEnd={jumps.end}
        />
      )}
    </section>
  );
}

/** Return the first target: the place where the reader left, or the event in the address; null for the end. */
function firstTarget(seq: number | null, back: TimelinePlace | null): Target | null {
  if (back) return back.top && { ...back.top, jump: 0 };
  return seq === null ? null : { seq, jump: 0, offset: null };
}
