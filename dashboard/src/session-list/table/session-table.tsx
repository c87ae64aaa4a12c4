import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useActs } from "../../feed/use-acts";
import type { SessionList } from "../../feed/use-sessions";
import { useKeepPlace, usePlaceLeft } from "../../hooks/left-place";
import { useKeys } from "../../hooks/use-keys";
import { useMedia } from "../../hooks/use-media";
import { replaceRoute } from "../../hooks/use-route";
import type { ListPlace } from "../../state/lists/place";
import {
  ALL_SELECTED,
  isSelected,
  NONE_SELECTED,
  type Selection,
  toggleRange,
  toggleSelected,
} from "../../state/lists/selection";
import { toggled } from "../../state/sets";
import { type ListAddress, sessionsLink } from "../../text/address/route";
import { wholeNumber } from "../../text/format";
import { StopDialog } from "../../ui/stop-dialog";
import { type Session, type SessionFilter, takesRequests } from "../../wire";
import { ListFoot } from "./list-foot";
import { SelectionBar } from "./selection-bar";
import { SessionRow } from "./session-row";
import { columnsFor, TableHead } from "./table-head";
import { useChildren } from "./use-children";
import { listPlace, useReturn } from "./use-return";
import { useKeepInPlace, useRows } from "./use-rows";
import { useSelected } from "./use-selected";
import { useSettledOrder } from "./use-settled-order";

interface SessionTableProps {
  readonly address: ListAddress;
  readonly filter: SessionFilter;
  readonly list: SessionList;
  readonly isDense: boolean;
  readonly selection: Selection;
  onSelect(selection: Selection): void;
}

/** The state of a list that is restored on return. */
interface TablePlace {
  readonly place: ListPlace | null;
  readonly activeId: string | null;
  readonly open: readonly string[];
}

const ROW_HEIGHT = 40;
const DENSE_HEIGHT = 28;
const CARD_HEIGHT = 64;
/** Number of rows before the end at which the next page is loaded. */
const READ_AHEAD = 30;

export function SessionTable({ address, filter, list, isDense, selection, onSelect }: SessionTableProps) {
  const link = sessionsLink(address);
  const scroller = useRef<HTMLDivElement>(null);
  const isNarrow = useMedia("(max-width: 760px)");
  const [isScrolled, setScrolled] = useState(false);
  const [isHovered, setHovered] = useState(false);
  const left = usePlaceLeft<TablePlace>(link, false);
  const [activeId, setActiveId] = useState<string | null>(left?.activeId ?? null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(left?.open));
  const [stopping, setStopping] = useState<readonly Session[]>([]);

  const byId = useMemo(
    () => new Map(list.sessions.map((session) => [session.session_id, session])),
    [list.sessions],
  );
  const wanted = useMemo(() => [...byId.keys()], [byId]);
  const order = useSettledOrder(wanted, isScrolled || isHovered, list.isOld);
  const children = useChildren(useMemo(() => [...open], [open]));
  const rows = useRows(order.ids, byId, children);
  const shownById = useMemo(() => new Map(rows.map(({ session }) => [session.session_id, session])), [rows]);
  const hasAgent = list.sessions.some(({ agent_name }) => agent_name !== null);
  const hasModel = list.sessions.some(({ model }) => model !== null);
  const acts = useActs();
  const selected = useSelected({ selection, filter, list, byId: shownById });

  const rowHeight = isNarrow ? CARD_HEIGHT : isDense ? DENSE_HEIGHT : ROW_HEIGHT;
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (place) => rows[place]?.session.session_id ?? place,
    overscan: 12,
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new height invalidates all measurements
  useLayoutEffect(() => virtualizer.measure(), [rowHeight]);
  useKeepInPlace(scroller, rows, rowHeight);

  const ids = useMemo(() => rows.map((row) => row.session.session_id), [rows]);
  const endReturn = useReturn(left?.place ?? null, {
    scroller,
    rowHeight,
    ids,
    isWhole: children.size === open.size,
    hasMore: list.hasMore,
    loadMore: list.loadMore,
  });
  useKeepPlace(link, (): TablePlace => {
    const place = scroller.current && listPlace(scroller.current, ids, rowHeight);
    return { place, activeId, open: [...open] };
  });

  const virtualRows = virtualizer.getVirtualItems();
  const lastShown = virtualRows.at(-1)?.index ?? 0;
  const isNearEnd = lastShown >= rows.length - READ_AHEAD;
  const { hasMore, hasFailed, isLoadingMore, loadMore } = list;
  useEffect(() => {
    if (isNearEnd && hasMore && !isLoadingMore && !hasFailed) loadMore();
  }, [isNearEnd, hasMore, hasFailed, isLoadingMore, loadMore]);

  function focusRow(place: number): void {
    const sessionId = rows[place]?.session.session_id;
    if (sessionId === undefined) return;
    setActiveId(sessionId);
    endReturn();
    virtualizer.scrollToIndex(place);
    requestAnimationFrame(() => linkOf(scroller.current, sessionId)?.focus({ preventScroll: true }));
  }
  function move(step: number): void {
    const at = rows.findIndex((row) => row.session.session_id === activeId);
    focusRow(at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step)));
  }
  const end = useSeekEnd(list, () => focusRow(rows.length - 1));

  function toggle(sessionId: string, isRange: boolean): void {
    onSelect(isRange ? toggleRange(selection, sessionId, ids) : toggleSelected(selection, sessionId));
  }
  function askToStop(): void {
    const active = activeId === null ? undefined : shownById.get(activeId);
    setStopping(selected.count > 0 ? selected.stoppable : active && takesRequests(active) ? [active] : []);
  }
  const clear = () => onSelect(NONE_SELECTED);
  const [down, up, toStart] = [() => move(1), () => move(-1), () => focusRow(0)];
  const toggleActive = (isRange: boolean) => activeId !== null && toggle(activeId, isRange);
  const [mark, markRange] = [() => toggleActive(false), () => toggleActive(true)];
  useKeys({
    j: down,
    ArrowDown: down,
    k: up,
    ArrowUp: up,
    Home: toStart,
    End: end.seek,
    x: mark,
    X: markRange,
    s: askToStop,
    ...(selected.count > 0 && { Escape: clear }),
  });

  function showWaiting(): void {
    endReturn();
    order.reveal();
    scroller.current?.scrollTo({ top: 0 });
  }
  function onPointer(): void {
    endReturn();
    end.cancel();
  }

  const columns = columnsFor({ hasAgent, hasModel });
  return (
    <>
      {selected.count > 0 && (
        <SelectionBar
          selected={selected}
          acts={acts}
          isArchive={filter.archived === "true"}
          onClear={clear}
        />
      )}
      <div
        className="session-table-frame"
        onPointerEnter={(event) => event.pointerType === "mouse" && setHovered(true)}
        onPointerLeave={() => setHovered(false)}
      >
        {order.waiting > 0 && (
          <button type="button" className="waiting" data-testid="show-new" onClick={showWaiting}>
            {wholeNumber(order.waiting)} new – show
          </button>
        )}
        <div
          ref={scroller}
          className={`session-table ${columns.map(({ key }) => `has-${key}`).join(" ")} ${isDense ? "is-dense" : ""}`}
          role="table"
          aria-label="Sessions"
          aria-rowcount={hasMore ? -1 : rows.length + 1}
          onWheel={onPointer}
          onTouchMove={onPointer}
          onPointerDown={onPointer}
          onScroll={(event) => setScrolled(event.currentTarget.scrollTop > 4)}
        >
          <TableHead
            address={address}
            columns={columns}
            isAllSelected={selected.count === 0 ? false : selected.count >= list.total ? true : null}
            onSort={(sorted) => replaceRoute(sessionsLink({ ...address, ...sorted }))}
            onSelectAll={(isChosen) => onSelect(isChosen ? ALL_SELECTED : NONE_SELECTED)}
          />
          <div role="rowgroup" className="session-rows" style={{ height: virtualizer.getTotalSize() }}>
            {virtualRows.map(({ index, start }) => {
              const row = rows[index];
              if (row === undefined) return null;
              const { session_id } = row.session;
              return (
                <SessionRow
                  key={session_id}
                  session={row.session}
                  depth={row.depth}
                  isOpen={address.isTree ? open.has(session_id) : null}
                  isSelected={selection.isAll && row.depth > 0 ? null : isSelected(selection, session_id)}
                  hasAgent={hasAgent}
                  hasModel={hasModel}
                  rowIndex={index + 2}
                  style={{ transform: `translateY(${start}px)`, height: rowHeight }}
                  onToggle={toggle}
                  onOpenChildren={(parentId) => setOpen(toggled(open, parentId))}
                  onFocus={setActiveId}
                />
              );
            })}
          </div>
        </div>
        <ListFoot address={address} filter={filter} list={list} />
      </div>
      {stopping.length > 0 && (
        <StopDialog sessions={stopping} onClose={() => setStopping([])} onStop={acts.stop} />
      )}
    </>
  );
}

/** Load all pages, then go to the last row; any use of the pointer ends it. */
function useSeekEnd(list: SessionList, goToEnd: () => void) {
  const [isSeeking, setSeeking] = useState(false);
  const { hasMore, loadAll, stopLoading } = list;
  useEffect(() => {
    if (!isSeeking || hasMore) return;
    setSeeking(false);
    goToEnd();
  });
  return {
    seek() {
      loadAll();
      setSeeking(true);
    },
    cancel() {
      if (!isSeeking) return;
      stopLoading();
      setSeeking(false);
    },
  };
}

function linkOf(table: HTMLElement | null, sessionId: string): HTMLElement | null {
  return table?.querySelector(`[data-session-id="${CSS.escape(sessionId)}"] .session-link`) ?? null;
}
