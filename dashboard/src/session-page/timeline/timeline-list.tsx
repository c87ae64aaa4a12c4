import { useVirtualizer } from "@tanstack/react-virtual";
import { useCallback, useEffect, useEffectEvent, useRef, useState } from "react";
import { useKeepPlace } from "../../hooks/left-place";
import { useStable } from "../../hooks/use-stable";
import type { Tick } from "../../state/outline";
import { type Arrangement, placeOf, type Row } from "../../state/rows";
import { toggled } from "../../state/sets";
import { wholeNumber } from "../../text/format";
import { sessionLink } from "../../text/route";
import type { SoughtWords } from "../../text/sought-words";
import { Boundary } from "../../ui/boundary";
import { Icon } from "../../ui/icons";
import { Sought } from "../../ui/text";
import { type CopiedEvents, CopiedFold } from "./copied-fold";
import { EventRow } from "./event-row";
import { END_PX, useFollowing } from "./use-following";
import { bringIntoView, useMarks } from "./use-marks";
import { type Target, type Top, useScrollPosition } from "./use-scroll-position";

interface TimelineListProps {
  readonly sessionId: string;
  readonly head: number;
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
  const { seqs, rows } = arrangement;
  const scroller = useRef<HTMLDivElement>(null);
  const [openRows, setOpenRows] = useState<ReadonlySet<number>>(new Set(props.openCalls));
  const following = useFollowing(head, target, endJumps);
  const { isFollowing, fresh, leaveEnd } = following;

  const virtualizer = useVirtualizer({
    count: seqs.length,
    getScrollElement: () => scroller.current,
    getItemKey: useCallback((place: number) => seqs[place] ?? place, [seqs]),
    estimateSize: (place) => estimate(rows.get(seqs[place] ?? 0)),
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
    sessionLink(sessionId),
    (): TimelinePlace => ({
      top: isFollowing || top().seq === 0 ? null : top(),
      openCalls: [...openRows],
      openFolds: [...props.openFolds],
      generation: props.generation,
    }),
  );

  const virtualRows = virtualizer.getVirtualItems();
  const firstPlace = virtualizer.range?.startIndex ?? 0;
  const lastPlace = virtualizer.range?.endIndex ?? -1;
  const below =
    virtualizer.getTotalSize() - (virtualizer.scrollOffset ?? 0) - (virtualizer.scrollRect?.height ?? 0);
  const isMoreBelow = below > END_PX;
  const isEndInView = !isMoreBelow && lastPlace === seqs.length - 1;
  const onEnd = useEffectEvent(props.onEnd);
  useEffect(() => onEnd(isEndInView), [isEndInView]);
  const onShow = useEffectEvent(props.onShow);
  // biome-ignore lint/correctness/useExhaustiveDependencies: events that are missing may change with each arrangement
  useEffect(() => onShow(seqs.slice(firstPlace, lastPlace + 1)), [firstPlace, lastPlace, arrangement]);

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

  const hitSeq = hit === null ? null : (seqs[placeOf(arrangement, hit.seq)] ?? null);
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
  const targetSeq = target === null || target.offset !== null ? null : seqs[placeOf(arrangement, target.seq)];
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
        }}
        onWheel={noteTouch}
        onTouchMove={noteTouch}
        onPointerDown={noteTouch}
        onKeyDown={noteTouch}
      >
        <div className="timeline-rows" style={{ height: virtualizer.getTotalSize() }}>
          {virtualRows.map(({ index, start, key }) => {
            const seq = seqs[index] ?? 0;
            const row = rows.get(seq);
            const isFoldRow = isFolded && seq === 1;
            return (
              <article
                key={key}
                ref={virtualizer.measureElement}
                data-index={index}
                data-seq={seq}
                data-testid="event-row"
                aria-posinset={seq}
                aria-setsize={head}
                aria-label={isFoldRow ? "Copied events" : `Event ${seq}`}
                aria-busy={row === undefined && !isFoldRow}
                className={`timeline-row ${seq === targetSeq ? "is-target" : ""}`}
                style={{ transform: `translateY(${start}px)` }}
              >
                {copied && seq === 1 && (
                  <CopiedFold copied={copied} isOpen={!isFolded} onToggle={() => toggleFold(COPIED)} />
                )}
                {row ? (
                  <Boundary fallback={<p className="unshown">Event {seq} cannot be shown.</p>}>
                    <Sought value={seq === hitSeq ? (hit?.words ?? null) : null}>
                      <EventRow
                        row={row}
                        sessionId={sessionId}
                        isOpen={openRows.has(seq)}
                        onToggle={toggleRow}
                        onToggleFold={toggleFold}
                      />
                    </Sought>
                  </Boundary>
                ) : (
                  !isFoldRow && <div className="placeholder" aria-hidden="true" />
                )}
              </article>
            );
          })}
        </div>
      </div>
      <div className="ticks" aria-hidden="true">
        {props.ticks.map(({ at, kind }) => (
          <span key={at} className={`tick tick-${kind}`} style={{ top: `${at / 10}%` }} />
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

/** Estimate the height of a row before it is rendered, so that the scroll bar is stable. */
function estimate(row: Row | undefined): number {
  if (row === undefined) return 40;
  const border = row.beginsRun === null ? 0 : 44;
  if (row.kind === "call" || (row.group && !row.group.isOpen)) return 36 + border;
  const { event } = row;
  if (event.kind !== "message") return 36 + border;
  const lines = event.text.slice(0, 6000).split("\n");
  return border + 52 + lines.reduce((sum, line) => sum + 22 * Math.max(1, Math.ceil(line.length / 95)), 0);
}
