/** Return the choice with the fewest changes from a text, or that begins with it; null if none is near. */
export function nearest<Choice extends string>(text: string, choices: readonly Choice[]): Choice | null {
  const typed = text.toLowerCase();
  const begun = typed === "" ? undefined : choices.find((choice) => choice.startsWith(typed));
  if (begun !== undefined) return begun;
  const most = Math.max(1, Math.floor(typed.length / 3));
  const [best] = choices
    .map((choice) => ({ choice, changes: changesBetween(typed, choice.toLowerCase()) }))
    .filter(({ changes }) => changes <= most)
    .sort((a, b) => a.changes - b.changes);
  return best?.choice ?? null;
}

/** Count the letters to add, remove, replace or swap with the next one. */
function changesBetween(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, place) => place)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const at = (up: number, left: number) => rows[i - up]?.[j - left] ?? Number.POSITIVE_INFINITY;
      const replaced = at(1, 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(at(1, 0) + 1, (row[j - 1] ?? 0) + 1, replaced, isSwap ? at(2, 2) + 1 : replaced));
    }
    rows.push(row);
  }
  return rows.at(-1)?.at(-1) ?? 0;
}
