/** Local days as the field of a date writes them: YYYY-MM-DD. */

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;

/** Return the start of a local day, `later` days after it; null if the text is not a day. */
export function dayStart(text: string, later = 0): Date | null {
  const found = DAY.exec(text);
  if (found === null) return null;
  const [year, month, day] = found.slice(1).map(Number) as [number, number, number];
  const start = new Date(year, month - 1, day);
  if (start.getMonth() !== month - 1 || start.getDate() !== day) return null;
  start.setDate(day + later);
  return start;
}
