/** The place of a reader in a list: the visible rows, and the scroll offset within the first one. */
export interface ListPlace {
  readonly row: number;
  readonly ids: readonly string[];
  readonly offset: number;
}

/** Number of further rows to load for the place, as new sessions may have moved it down. */
const READ_FURTHER = 200;

/** Return the row that is now the first of the place; null while more pages must be loaded.
 *
 * It is the row of the first session that was visible and has not moved away from most of the others.
 */
export function rowAt(place: ListPlace, ids: readonly string[], hasMore: boolean): number | null {
  if (hasMore && ids.length < place.row + place.ids.length) return null;
  const rows = new Map(ids.map((id, row) => [id, row]));
  const firstRows = place.ids
    .map((id, below) => (rows.get(id) ?? Number.NaN) - below)
    .filter((row) => !Number.isNaN(row));
  if (firstRows.length === 0 && hasMore && ids.length < place.row + READ_FURTHER) return null;
  const middle = firstRows.toSorted((a, b) => a - b)[firstRows.length >> 1] ?? place.row;
  return Math.max(0, firstRows.find((row) => Math.abs(row - middle) < place.ids.length) ?? place.row);
}
