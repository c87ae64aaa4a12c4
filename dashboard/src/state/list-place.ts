/** Where a reader was in a list: the rows that were on the screen, and how far the first one was scrolled out of it. */
export interface ListPlace {
  readonly row: number;
  readonly ids: readonly string[];
  readonly offset: number;
}

/** New rows may have moved the place down by so many rows that its sessions are not read yet. */
const READ_FURTHER = 200;

/** The row that is first at the place now; null while the pages that hold it are still to be read.
 *
 * Most of the sessions that were on the screen tell where it is: one of them may have moved, or be gone.
 */
export function rowAt(place: ListPlace, ids: readonly string[], hasMore: boolean): number | null {
  if (hasMore && ids.length < place.row + place.ids.length) return null;
  const rows = new Map(ids.map((id, row) => [id, row]));
  const firstRows = place.ids
    .map((id, below) => (rows.get(id) ?? Number.NaN) - below)
    .filter((row) => !Number.isNaN(row))
    .sort((a, b) => a - b);
  if (firstRows.length === 0 && hasMore && ids.length < place.row + READ_FURTHER) return null;
  return Math.max(0, firstRows[firstRows.length >> 1] ?? place.row);
}
