import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useKeepPlace, usePlaceLeft } from "../hooks/left-place";
import { useKeys } from "../hooks/use-keys";
import { useMedia } from "../hooks/use-media";
import type { SessionList } from "../hooks/use-sessions";
import type { ListPlace } from "../state/list-place";
import { toggled } from "../state/sets";
import { plural, wholeNumber } from "../text/format";
import type { Session } from "../wire";
import { SessionRow } from "./session-row";
import { useChildren } from "./use-children";
import { listPlace, useReturn } from "./use-return";
import { useSettledOrder } from "./use-settled-order";

interface SessionTableProps {
  /** The address of the list. */
  readonly link: string;
  readonly list: SessionList;
  readonly isGrouped: boolean;
  readonly selected: ReadonlySet<string>;
  onToggle(sessionId: string): void;
}

interface ShownRow {
  readonly session: Session;
  readonly depth: number;
}

/** The state of a list that is restored on return. */
interface TablePlace {
  readonly place: ListPlace | null;
  readonly activeId: string | null;
  readonly open: readonly string[];
}

const COLUMNS = [
  "State",
  "Name",
  "Project",
  "Agent",
  "Executor",
  "Last activity",
  "Duration",
  "Tokens",
  "Cost",
];
const ROW_HEIGHT = 40;
const CARD_HEIGHT = 68;
/** Number of rows before the end at which the next page is loaded. */
const READ_AHEAD = 30;

export function SessionTable({ link, list, isGrouped, selected, onToggle }: SessionTableProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const isNarrow = useMedia("(max-width: 760px)");
  const [isScrolled, setScrolled] = useState(false);
  const [isHovered, setHovered] = useState(false);
  const left = usePlaceLeft<TablePlace>(link, false);
  const [activeId, setActiveId] = useState<string | null>(left?.activeId ?? null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set(left?.open));

  const byId = useMemo(
    () => new Map(list.sessions.map((session) => [session.session_id, session])),
    [list.sessions],
  );
  const wanted = useMemo(() => [...byId.keys()], [byId]);
  const order = useSettledOrder(wanted, isScrolled || isHovered);
  const children = useChildren(useMemo(() => [...open], [open]));
  const rows = useMemo(() => toRows(order.ids, byId, children), [order.ids, byId, children]);

  const rowHeight = isNarrow ? CARD_HEIGHT : ROW_HEIGHT;
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

  function move(step: number): void {
    const at = rows.findIndex((row) => row.session.session_id === activeId);
    const place = at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step));
    const sessionId = rows[place]?.session.session_id;
    if (sessionId === undefined) return;
    setActiveId(sessionId);
    endReturn();
    virtualizer.scrollToIndex(place);
    requestAnimationFrame(() => linkOf(scroller.current, sessionId)?.focus({ preventScroll: true }));
  }
  const down = () => move(1);
  const up = () => move(-1);
  useKeys({ j: down, ArrowDown: down, k: up, ArrowUp: up });

  function showWaiting(): void {
    endReturn();
    order.reveal();
    scroller.current?.scrollTo({ top: 0 });
  }

  return (
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
        className="session-table"
        role="table"
        aria-label="Sessions"
        aria-rowcount={hasMore ? -1 : rows.length + 1}
        onWheel={endReturn}
        onTouchMove={endReturn}
        onPointerDown={endReturn}
        onScroll={(event) => setScrolled(event.currentTarget.scrollTop > 4)}
      >
        <div role="rowgroup" className="session-head">
          <div role="row" aria-rowindex={1} className="session-row">
            <span role="columnheader">
              <span className="visually-hidden">Selected</span>
            </span>
            {COLUMNS.map((column) => (
              <span
                role="columnheader"
                key={column}
                className={`head-${column.toLowerCase().split(" ").at(-1)}`}
              >
                {column}
              </span>
            ))}
          </div>
        </div>
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
                isOpen={isGrouped ? open.has(session_id) : null}
                isSelected={selected.has(session_id)}
                rowIndex={index + 2}
                style={{ transform: `translateY(${start}px)`, height: rowHeight }}
                onToggle={onToggle}
                onOpenChildren={(parentId) => setOpen(toggled(open, parentId))}
                onFocus={setActiveId}
              />
            );
          })}
        </div>
      </div>
      <p className="list-foot" role="status">
        {hasMore ? `${wholeNumber(list.sessions.length)}+ sessions` : plural(list.sessions.length, "session")}
        {isLoadingMore && ", loading more …"}
        {hasFailed && (
          <>
            {", the next page could not be loaded: "}
            <button type="button" className="show-all" onClick={loadMore}>
              try again
            </button>
          </>
        )}
      </p>
    </div>
  );
}

function toRows(
  ids: readonly string[],
  byId: ReadonlyMap<string, Session>,
  children: ReadonlyMap<string, readonly Session[]>,
): readonly ShownRow[] {
  const rows: ShownRow[] = [];
  const seen = new Set<string>();
  function add(session: Session, depth: number): void {
    if (seen.has(session.session_id)) return;
    seen.add(session.session_id);
    rows.push({ session, depth });
    for (const child of children.get(session.session_id) ?? []) add(child, depth + 1);
  }
  for (const id of ids) {
    const session = byId.get(id);
    if (session) add(session, 0);
  }
  return rows;
}

function linkOf(table: HTMLElement | null, sessionId: string): HTMLElement | null {
  return table?.querySelector(`[data-session-id="${CSS.escape(sessionId)}"] .session-link`) ?? null;
}

/** Scroll along when rows above appear or disappear, so that the visible rows do not move. */
function useKeepInPlace(
  scroller: React.RefObject<HTMLDivElement | null>,
  rows: readonly ShownRow[],
  rowHeight: number,
): void {
  const before = useRef(rows);
  useLayoutEffect(() => {
    const element = scroller.current;
    const old = before.current;
    before.current = rows;
    if (element === null || old === rows || element.scrollTop < rowHeight) return;
    const place = Math.floor(element.scrollTop / rowHeight);
    const isStillThere = new Map(rows.map((row, at) => [row.session.session_id, at]));
    const anchor = old.slice(place).find((row) => isStillThere.has(row.session.session_id));
    if (anchor === undefined) return;
    const shift = (isStillThere.get(anchor.session.session_id) ?? 0) - old.indexOf(anchor);
    if (shift !== 0) element.scrollTop += shift * rowHeight;
  }, [scroller, rows, rowHeight]);
}
