import { type ReactNode, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import { explain } from "../../api/errors";
import { type EventQuery, listEvents } from "../../api/routes";
import { useSeen } from "../../feed/use-seen";
import { usePlaceLeft } from "../../hooks/left-place";
import { useSessionPlace } from "../../hooks/session-place";
import { useKeys } from "../../hooks/use-keys";
import { goTo, replaceRoute } from "../../hooks/use-route";
import { linesByRow } from "../../state/session/changed-files";
import { eventAt, type Timeline } from "../../state/session/events";
import {
  isBad,
  nearest,
  type Outline,
  passing,
  SHOWN_WORDS,
  type Shown,
  seqOf,
  type Tick,
  ticksOf,
} from "../../state/session/outline";
import { Arranger } from "../../state/timeline/arranger";
import { rowKey, toggledFold } from "../../state/timeline/call-groups";
import type { Lane } from "../../state/timeline/lane";
import { searchLink, sessionLink } from "../../text/address/route";
import { plural, wholeNumber } from "../../text/format";
import { SoughtWords } from "../../text/sought-words";
import { Empty } from "../../ui/empty";
import { useToasts } from "../../ui/toasts";
import type { Session } from "../../wire";
import { ChangedLines } from "../rows/changed-lines";
import { FindBar } from "./find-bar";
import { COPIED, TimelineList, type TimelinePlace } from "./timeline-list";
import { useCopied } from "./use-copied";
import type { Target } from "./use-scroll-position";

interface TimelineViewProps {
  readonly session: Session;
  readonly timeline: Timeline;
  /** The event that the address names. */
  readonly seq: number | null;
  /** The search query by which this event was found. */
  readonly query: string | null;
  readonly outline: Outline;
  /** The ways to the other parts of the session, beside the field to find in it. */
  readonly tabs: ReactNode;
  /** The subagent to show alone; its outline is `outline`. */
  readonly lane?: Lane | null;
  /** The link under which the scroll position is kept. */
  readonly place?: string;
  /** What tells these events from those of another session on the page. */
  readonly label?: string;
  onShow(seqs: readonly number[]): void;
  /** What needs the reader first, above the events. */
  readonly children?: ReactNode;
}

/** The marks are for the whole session. */
const NO_TICKS: readonly Tick[] = [];

/** The events of a session, with buttons and keys to jump in them. */
export function TimelineView(props: TimelineViewProps) {
  const { session, timeline, seq, query, outline, lane = null, onShow, children } = props;
  const { show } = useToasts();
  const { session_id: sessionId, generation, state, run } = session;
  const { link } = useSessionPlace();
  const place = props.place ?? sessionLink(sessionId);
  const left = usePlaceLeft<TimelinePlace>(place, seq !== null);
  const back = left?.generation === generation ? left : null;
  const [wanted, setWanted] = useState<Target | null>(() => firstTarget(seq, back));
  // The event does not exist (yet): the end is shown until it exists.
  const isMissing = wanted !== null && wanted.seq > timeline.head;
  const target = isMissing ? null : wanted;
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(back?.openFolds));
  const [endJumps, setEndJumps] = useState(0);
  const [isEndInView, setEndInView] = useState(false);
  useSeen(session, lane === null && (isEndInView || timeline.head === 0));
  const visible = useRef<readonly number[]>([]);
  const hasMoved = useRef(false); // since the last jump
  const [shown, setShown] = useState<Shown>("all");
  const findInput = useRef<HTMLInputElement>(null);

  const [followedSeq, setFollowedSeq] = useState(seq);
  if (seq !== followedSeq) {
    setFollowedSeq(seq);
    if (seq !== null && seq !== wanted?.seq) setWanted({ seq, jump: (wanted?.jump ?? 0) + 1, offset: null });
  }

  const copies = useCopied(session) ?? 0;
  const count = lane ? 0 : copies;
  const from = session.forked_from?.session_id ?? "";
  const copied = useMemo(() => (count > 0 ? { count, from } : null), [count, from]);
  const folded = open.has(COPIED) ? 0 : count;
  const passes = useMemo(() => passing(outline, shown), [outline, shown]);
  // A filter shows its rows also where a subagent is folded.
  const isFlat = shown !== "all" && shown !== "talk";
  const [arranger] = useState(() => new Arranger());
  const arrangement = useMemo(
    () => arranger.arrange(timeline, { state, run, lane, open, isFlat, folded, passing: passes }),
    [arranger, timeline, state, run, lane, open, isFlat, folded, passes],
  );
  const lines = useMemo(() => linesByRow(outline.entries), [outline.entries]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: an event moves them little, and the outline follows it
  const ticks = useMemo(() => ticksOf(outline.entries, timeline.head), [outline]);

  const isTargetLoaded = target !== null && eventAt(timeline, target.seq) !== undefined;
  const isTargetCopied = target !== null && target.seq <= count;
  const folds = [
    ...(isTargetCopied ? [COPIED] : []),
    ...(isTargetLoaded ? arrangement.foldsAround(target.seq) : []),
  ];
  const isTargetReady = isTargetLoaded && folds.every((fold) => open.has(fold));
  const openFolds = useEffectEvent(() => setOpen((known) => new Set([...known, ...folds])));
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each target, as soon as it is loaded
  useEffect(() => {
    if (isTargetLoaded || isTargetCopied) openFolds();
  }, [isTargetLoaded, isTargetCopied, target]);

  const words = useMemo(() => (query === null ? null : new SoughtWords(query)), [query]);
  const hit = useMemo(() => (seq !== null && words ? { seq, words } : null), [seq, words]);

  function jumpTo(to: number, words?: string): void {
    hasMoved.current = false;
    const within = Math.min(Math.max(1, to), Math.max(1, timeline.head));
    setWanted({ seq: within, jump: (wanted?.jump ?? 0) + 1, offset: null });
    setFollowedSeq(within);
    replaceRoute(link(sessionId, within, words || undefined));
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
    return target && (!hasMoved.current || visible.current.includes(target.seq))
      ? target.seq
      : (visible.current[0] ?? 1);
  }

  function jumpAmong(seqs: readonly number[], direction: 1 | -1, what: string): void {
    const next = nearest(seqs, here(), direction);
    if (next !== null) jumpTo(next);
    else show({ text: `No ${what} ${direction === 1 ? "after" : "before"} this.` });
  }

  const { entries } = outline;
  const prompts = useMemo(() => entries.filter(({ kind }) => kind === "prompt").map(seqOf), [entries]);
  const bad = useMemo(() => entries.filter(isBad).map(seqOf), [entries]);
  const nextPrompt = () => jumpAmong(prompts, 1, "prompt");
  const previousPrompt = () => jumpAmong(prompts, -1, "prompt");
  const nextBad = () => jumpAmong(bad, 1, "failure or denial");
  const previousBad = () => jumpAmong(bad, -1, "failure or denial");
  const toCall = (direction: 1 | -1) => {
    if (lane) return jumpAmong(outline.calls, direction, "tool call");
    const query = direction === 1 ? { after_seq: here() } : { before_seq: here() };
    const otherwise = `No tool call ${direction === 1 ? "after" : "before"} this.`;
    void jumpToFound({ ...query, event_type: "pre_tool", limit: 1 }, otherwise);
  };
  function toEnd(): void {
    setWanted(null);
    setFollowedSeq(null);
    replaceRoute(link(sessionId));
    setEndJumps((count) => count + 1);
  }
  useKeys({
    J: nextPrompt,
    K: previousPrompt,
    n: () => toCall(1),
    p: () => toCall(-1),
    e: nextBad,
    E: previousBad,
    G: toEnd,
    f: () => goTo(searchLink({ session_id: sessionId })),
    "/": () => findInput.current?.select(),
  });

  return (
    <section className="timeline" aria-label={props.label ?? "Events"}>
      <div className="tab-bar">
        {props.tabs}
        <FindBar
          sessionId={sessionId}
          head={timeline.head}
          shown={shown}
          within={lane?.seqs ?? null}
          input={findInput}
          here={here}
          onShow={setShown}
          onGo={(to, words) => {
            setShown("all");
            jumpTo(to, words);
          }}
          onEnds={(end) => (end === "end" ? toEnd() : jumpTo(1))}
        />
      </div>
      {children}
      {isMissing && (
        <p className="problem missing-event" role="status">
          {`There is no event ${wholeNumber(wanted.seq)}: this session has ${timeline.head === 0 ? "no events" : plural(timeline.head, "event")}.`}
        </p>
      )}
      {timeline.head === 0 ? (
        <Empty title={state === "running" ? "Nothing has happened yet." : "This session has no events."} />
      ) : arrangement.lines.length === 0 ? (
        <Empty title={`Nothing to show: ${SHOWN_WORDS[shown]}.`} />
      ) : (
        <ChangedLines value={lines}>
          <TimelineList
            sessionId={sessionId}
            place={place}
            head={timeline.head}
            count={lane?.seqs.size ?? timeline.head}
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
              visible.current = seqs;
              onShow(seqs);
            }}
            onMove={() => {
              hasMoved.current = true;
            }}
            onToggleFold={(key) => setOpen(toggledFold(open, key))}
            onOpenRow={(row) => setOpen((known) => new Set([...known, rowKey(row)]))}
            onJumpToEnd={toEnd}
            ticks={lane ? NO_TICKS : ticks}
            onEnd={setEndInView}
          />
        </ChangedLines>
      )}
    </section>
  );
}

/** Return the first target: the place where the reader left, or the event in the address; null for the end. */
function firstTarget(seq: number | null, back: TimelinePlace | null): Target | null {
  if (back) return back.top && { ...back.top, jump: 0 };
  return seq === null ? null : { seq, jump: 0, offset: null };
}
