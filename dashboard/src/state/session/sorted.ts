/** Sorted lists of seqs. */

export function insert(seqs: number[], seq: number): void {
  seqs.splice(placeIn(seqs, seq), 0, seq);
}

export function remove(seqs: number[], seq: number): void {
  const place = placeIn(seqs, seq);
  if (seqs[place] === seq) seqs.splice(place, 1);
}

/** Return the place of the first seq that is not below another, in a sorted list. */
export function placeIn(seqs: readonly number[], seq: number): number {
  let [low, high] = [0, seqs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((seqs[middle] ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}
