import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useEffectEvent, useRef, useState } from "react";
import { useKeepPlace } from "../../hooks/left-place";
import { useStable } from "../../hooks/use-stable";
import type { Tick } from "../../state/session/outline";
import { toggled } from "../../state/sets";
import type { Arrangement } from "../../state/timeline/arranger";
import type { Gap } from "../../state/timeline/gaps";
import { wholeNumber } from "../../text/format";
import type { SoughtWords } from "../../text/sought-words";
import { Boundary } from "../../ui/boundary";
import { Icon } from "../../ui/icons";
import { Sought } from "../../ui/text";
import { type CopiedEvents, CopiedFold } from "../rows/copied-fold";
import { EventRow } from "../rows/event-row";
import { estimatedHeight, eventsIn, keyOfLine, type Top } from "./line-layout";
import { END_PX, useFollowing } from "./use-following";
import { bringIntoView, useMarks } from "./use-marks";
import { type Target, useScrollPosition } from "./use-scroll-position";

interface TimelineListProps {
  readonly sessionId: string;
  /** The link under which the scroll position is kept. */
  readonly place: string;
  readonly head: number;
  /** Number of events that can be shown. */
  readonly count: number;
  readonly arrangement: Arrangement;
  readonly copied: CopiedEvents | null;
  /** The event that a search has found. */
  readonly hit: { readonly seq: number; readonly words: SoughtWords } | null;
  readonly target: Target | null;
  readonly isTargetReady: boolean;
  /** The calls that were open when the timeline was left. */
  readonly openCalls: readonly number[];
  readonly openFolds: ReadonlySet<string>;
  readonly generation: string;
  readonly endJumps: number;
  onShow(seqs: readonly number[]): void;
  /** Called when the reader may have scrolled. */
  onMove(): void;
  onToggleFold(key: string): void;
  /** Called when the reader opens a row, which must stay in view. */
  onOpenRow(seq: number): void;
  readonly ticks: readonly Tick[];
  onJumpToEnd(): void;
  /** Tell whether the end of the session is on the screen. */
  onEnd(isInView: boolean): void;
}

/** The place at which a timeline was left. */
export interface TimelinePlace {
  /** Null if the end was followed. */
  readonly top: Top | null;
  readonly openCalls: readonly number[];
  readonly openFolds: readonly string[];
  readonly generation: string;
}

/** The key of the fold around copied events. */
export const COPIED = "copied";

/** The virtual list of a session's rows; it follows the end until the reader scrolls up. */
export function TimelineList(props: TimelineListProps) {
  const { arrangement, head, target, isTargetReady, endJumps, sessionId, copied, hit } = props;
  const { lines } = arrangement;
  const scroller = useRef<HTMLDivElement>(null);
  const [openRows, setOpenRows] = useState<ReadonlySet<number>>(new Set(props.openCalls));
  const following = useFollowing(props.count, target, endJumps);
  const { isFollowing, fresh, leaveEnd } = following;

  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((place: number) => keyOfLine(lines[place]), [lines]),
    estimateSize: (place) => estimatedHeight(lines[place]),
    overscan: 8,
    paddingStart: 12,
    paddingEnd: 24,
    anchorTo: "end",
    followOnAppend: true,
    // -1 while the end is not followed, so that the list does not jump to the end.
    scrollEndThreshold: isFollowing ? END_PX : -1,
  });

  const { top, leaveTarget, isReturning, noteScroll, holdTarget } = useScrollPosition(virtualizer, {
    arrangement,
    target,
    isTargetReady,
    isFollowing,
    endJumps,
  });

  useKeepPlace(
    props.place,
    (): TimelinePlace => ({
      top: isFollowing || top().seq === 0 ? null : top(),
      openCalls: [...openRows],
      openFolds: [...props.openFolds],
      generation: props.generation,
    }),
  );

  const virtualRows = virtualizer.getVirtualItems();
  const below =
    virtualizer.getTotalSize() - (virtualizer.scrollOffset ?? 0) - (virtualizer.scrollRect?.height ?? 0);
  const isMoreBelow = below > END_PX;
  const isEndInView = !isMoreBelow && virtualizer.range?.endIndex === lines.length - 1;
  const onEnd = useEffectEvent(props.onEnd);
  useEffect(() => onEnd(isEndInView), [isEndInView]);

  function visibleSeqs(): readonly number[] {
    const scrollTop = scroller.current?.scrollTop ?? 0;
    const bottom = scrollTop + (scroller.current?.clientHeight ?? 0);
    return virtualizer
      .getVirtualItems()
      .filter(({ start, end }) => end > scrollTop && start < bottom)
      .flatMap(({ index, start, end }) =>
        eventsIn(lines[index], scrollTop - start, Math.min(bottom, end) - start),
      );
  }

  const onShow = useEffectEvent(() => props.onShow(visibleSeqs()));
  const { startIndex, endIndex } = virtualizer.range ?? {};
  // biome-ignore lint/correctness/useExhaustiveDependencies: events that are missing may change with each arrangement
  useEffect(() => onShow(), [startIndex, endIndex, arrangement]);
  const isInGap = virtualRows.some(({ index }) => lines[index]?.kind === "gap");

  function noteTouch(event: { timeStamp: number }): void {
    following.noteTouch(event);
    leaveTarget();
    props.onMove();
  }

  // A reader who opens a row wants to read from its start, so the list must not follow the end.
  const toggleRow = useStable((seq: number) => {
    if (!openRows.has(seq)) {
      leaveEnd();
      props.onOpenRow(seq);
    }
    setOpenRows(toggled(openRows, seq));
  });
  const toggleFold = useStable(props.onToggleFold);

  const rowSeqOf = (seq: number): number | null => {
    const line = lines[arrangement.placeOf(seq)];
    return line === undefined || line.kind === "gap" ? null : line.seq;
  };
  const hitSeq = hit === null ? null : rowSeqOf(hit.seq);
  const isHitReady = isTargetReady && hitSeq !== null && target?.seq === hit?.seq && target?.offset === null;
  const [openedFor, setOpenedFor] = useState<Target | null>(null);
  if (isHitReady && openedFor !== target) {
    setOpenedFor(target);
    setOpenRows(new Set([...openRows, hitSeq]));
  }
  useMarks(scroller, hitSeq, hit?.words ?? null, (row, first) => {
    const height = scroller.current?.clientHeight ?? 0;
    if (hitSeq !== null && isHitReady) {
      holdTarget(() => ({ seq: hitSeq, offset: bringIntoView(first, row) - height / 3 }));
    }
  });

  const isFolded = copied !== null && !props.openFolds.has(COPIED);
  const targetSeq = target === null || target.offset !== null ? null : rowSeqOf(target.seq);
  return (
    <div className="timeline-frame">
      <div
        ref={scroller}
        className="timeline-scroll"
        role="feed"
        aria-label="Timeline"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        data-testid="timeline"
        onScroll={(event) => {
          noteScroll();
          if (!isReturning()) following.noteScroll(event.currentTarget, event.timeStamp);
          // Within a gap, the list is not rendered again.
          if (isInGap) props.onShow(visibleSeqs());
        }}
        onWheel={noteTouch}
        onTouchMove={noteTouch}
        onPointerDown={noteTouch}
        onKeyDown={noteTouch}
      >
        <div className="timeline-rows" style={{ height: virtualizer.getTotalSize() }}>
          {virtualRows.map(({ index, start, size, key }) => {
            const line = lines[index];
            if (line === undefined) return null;
            if (line.kind === "gap") return <Missing key={key} gap={line} start={start} height={size} />;
            const { seq } = line;
            return (
              <article
                key={key}
                ref={virtualizer.measureElement}
                data-index={index}
                data-seq={seq}
                data-testid="event-row"
                aria-posinset={seq}
                aria-setsize={head}
                aria-label={line.kind === "copied" ? "Copied events" : `Event ${seq}`}
                className={`timeline-row ${seq === targetSeq ? "is-target" : ""}`}
                style={{ transform: `translateY(${start}px)` }}
              >
                {copied && seq === 1 && (
                  <CopiedFold copied={copied} isOpen={!isFolded} onToggle={() => toggleFold(COPIED)} />
                )}
                {line.kind !== "copied" && (
                  <Boundary fallback={<p className="unshown">Event {seq} cannot be shown.</p>}>
                    <Sought value={seq === hitSeq ? (hit?.words ?? null) : null}>
                      <EventRow
                        row={line}
                        sessionId={sessionId}
                        isOpen={openRows.has(seq)}
                        onToggle={toggleRow}
                        onToggleFold={toggleFold}
                      />
                    </Sought>
                  </Boundary>
                )}
              </article>
            );
          })}
        </div>
      </div>
      <div className="ticks" aria-hidden="true">
        {props.ticks.map(({ from, to, kind }) => (
          <span
            key={from}
            className={`tick tick-${kind}`}
            style={{ top: `${from / 10}%`, height: `calc(${(to - from) / 10}% - 2px)` }}
          />
        ))}
      </div>
      {!isFollowing && (isMoreBelow || fresh > 0) && (
        <button type="button" className="to-end" data-testid="to-end" onClick={props.onJumpToEnd}>
          <Icon name="down" /> Jump to the end{fresh > 0 && ` (${wholeNumber(fresh)} new)`}
        </button>
      )}
    </div>
  );
}

/** Events that are not loaded yet. */
function Missing({ gap, start, height }: { gap: Gap; start: number; height: number }) {
  return (
    <article
      data-seq={gap.first}
      data-testid="event-row"
      aria-label={gap.first === gap.last ? `Event ${gap.first}` : `Events ${gap.first} to ${gap.last}`}
      aria-busy="true"
      className="timeline-row timeline-gap"
      style={{ height, transform: `translateY(${start}px)` }}
    />
  );
}
