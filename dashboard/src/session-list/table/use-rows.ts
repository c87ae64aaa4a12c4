import { type RefObject, useLayoutEffect, useMemo, useRef } from "react";
import type { Session } from "../../wire";

export interface ShownRow {
  readonly session: Session;
  readonly depth: number;
}

/** Return the rows to show: the sessions in this order, each with its open children below it. */
export function useRows(
  ids: readonly string[],
  byId: ReadonlyMap<string, Session>,
  children: ReadonlyMap<string, readonly Session[]>,
): readonly ShownRow[] {
  return useMemo(() => {
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
  }, [ids, byId, children]);
}

/** Scroll along when rows above appear or disappear, so that the visible rows do not move. */
export function useKeepInPlace(
  scroller: RefObject<HTMLDivElement | null>,
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
