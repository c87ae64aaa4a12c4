/** Finds the events that a fork has copied from another session: they are its first ones. */

/** Return the number of copied events among `count`, with about log2(count) questions. */
export async function countCopied(
  count: number,
  isCopied: (seq: number) => Promise<boolean>,
): Promise<number> {
  let copied = 0;
  let own = count + 1;
  while (own - copied > 1) {
    const seq = Math.floor((copied + own) / 2);
    if (await isCopied(seq)) copied = seq;
    else own = seq;
  }
  return copied;
}
