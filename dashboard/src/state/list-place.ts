/** Where a reader was in a list: the rows that were on the screen, and how far the first one was scrolled out of it. */
export interface ListPlace {
  readonly row: number;
  readonly ids: readonly string[];
  readonly offset: number;
}

/** How many more rows are read for the place, since new sessions may have moved it down. */
const READ_FURTHER = 200;

/** The row that is first at the place now; null while the pages that hold it are still to be read.
 *
 * That of the first session that was on the screen and has not moved away from most of the others.
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
