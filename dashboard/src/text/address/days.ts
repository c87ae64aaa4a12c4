/** Local days as the field of a date writes them: YYYY-MM-DD. */

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;

/** Return the start of the local day that a moment is in, or of the day `later` days after it.
 *
 * Made from the calendar, and never from another start: a day begins at 1:00 where the clock goes forward at midnight.
 */
export function startOfDay(moment: Date, later = 0): Date {
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate() + later);
}

/** Return the start of a written day, or of the day `later` days after it; null if the text is not a day. */
export function dayStart(text: string, later = 0): Date | null {
  const found = DAY.exec(text);
  if (found === null) return null;
  const [year, month, day] = found.slice(1).map(Number) as [number, number, number];
  const start = new Date(year, month - 1, day);
  if (start.getMonth() !== month - 1 || start.getDate() !== day) return null;
  return startOfDay(start, later);
}
