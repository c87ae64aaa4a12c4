/** The sessions of a list that are selected: those with these ids, or all but those. All includes sessions that are not loaded. */
export interface Selection {
  readonly isAll: boolean;
  readonly ids: ReadonlySet<string>;
  /** The session that was selected last: a range begins there. */
  readonly anchor: string | null;
}

export const NONE_SELECTED: Selection = { isAll: false, ids: new Set(), anchor: null };
export const ALL_SELECTED: Selection = { isAll: true, ids: new Set(), anchor: null };

export function isSelected({ isAll, ids }: Selection, sessionId: string): boolean {
  return isAll !== ids.has(sessionId);
}

export function countSelected({ isAll, ids }: Selection, total: number): number {
  return isAll ? Math.max(0, total - ids.size) : ids.size;
}

export function toggleSelected(selection: Selection, sessionId: string): Selection {
  return set(selection, [sessionId], !isSelected(selection, sessionId), sessionId);
}

/** Give all rows from the anchor to a session the state that a click gives the session. */
export function toggleRange(selection: Selection, sessionId: string, shown: readonly string[]): Selection {
  const from = selection.anchor === null ? -1 : shown.indexOf(selection.anchor);
  const to = shown.indexOf(sessionId);
  if (from < 0 || to < 0) return toggleSelected(selection, sessionId);
  const range = shown.slice(Math.min(from, to), Math.max(from, to) + 1);
  return set(selection, range, !isSelected(selection, sessionId), sessionId);
}

function set(
  selection: Selection,
  sessionIds: readonly string[],
  isChosen: boolean,
  anchor: string,
): Selection {
  const ids = new Set(selection.ids);
  for (const id of sessionIds) {
    if (isChosen !== selection.isAll) ids.add(id);
    else ids.delete(id);
  }
  return { isAll: selection.isAll, ids, anchor };
}
