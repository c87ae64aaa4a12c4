import { type RefObject, useEffectEvent, useLayoutEffect } from "react";
import type { SoughtWords } from "../../text/sought-words";

const NAME = "sought";
const BLOCKS = "article, bdi, button, dd, div, h1, h2, h3, h4, h5, h6, li, p, pre, td, th";
/** Words of the page itself, and the summary of a row that shows the same text below. */
const OF_PAGE =
  ".message-head, .output-head, .code-head, .visually-hidden, .show-all, .is-open > .fold-line > .fold-gist";

/** Mark words in a row, also where it is rendered later; the page's elements stay as they are.
 *
 * `onMark` is called with the first mark after each change of the rows. A browser without highlights shows no marks.
 */
export function useMarks(
  scroller: RefObject<HTMLElement | null>,
  seq: number | null,
  words: SoughtWords | null,
  onMark: (row: HTMLElement, first: Range) => void,
): void {
  const tell = useEffectEvent(onMark);
  useLayoutEffect(() => {
    const root = scroller.current;
    if (root === null || seq === null || words === null || !("highlights" in CSS)) return;
    let frame = 0;
    const mark = () => {
      frame = 0;
      const row = root.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
      const ranges = row ? rangesIn(row, words) : [];
      CSS.highlights.set(NAME, new Highlight(...ranges));
      if (row && ranges[0]) tell(row, ranges[0]);
    };
    const observer = new MutationObserver(() => {
      frame ||= requestAnimationFrame(mark);
    });
    observer.observe(root, { childList: true, characterData: true, subtree: true });
    mark();
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame);
      CSS.highlights.delete(NAME);
    };
  }, [scroller, seq, words]);
}

/** Scroll the elements inside a row to a range; return the distance from the start of the row to the range. */
export function bringIntoView(range: Range, row: HTMLElement): number {
  let around = range.startContainer.parentElement;
  for (; around !== null && around !== row; around = around.parentElement) {
    if (around.scrollHeight <= around.clientHeight) continue;
    const below = range.getBoundingClientRect().top - around.getBoundingClientRect().top;
    around.scrollTop += below - around.clientHeight / 3;
  }
  return range.getBoundingClientRect().top - row.getBoundingClientRect().top;
}

/** Return the ranges of the words in an element; words of different blocks are not next to each other. */
function rangesIn(row: HTMLElement, words: SoughtWords): Range[] {
  const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT, (node) =>
    node.parentElement?.closest(OF_PAGE) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  );
  const nodes: { readonly node: Node; readonly start: number }[] = [];
  let text = "";
  let block: Element | null = null;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const around = node.parentElement?.closest(BLOCKS) ?? null;
    if (around !== block) text += "\n";
    block = around;
    nodes.push({ node, start: text.length });
    text += node.nodeValue ?? "";
  }
  let at = 0;
  const pointAt = (place: number): [Node, number] => {
    while (at + 1 < nodes.length && (nodes[at + 1]?.start ?? 0) <= place) at += 1;
    const { node, start } = nodes[at] as (typeof nodes)[number];
    return [node, Math.min(place - start, node.nodeValue?.length ?? 0)];
  };
  return words.find(text).map(({ start, end }) => {
    const range = new Range();
    range.setStart(...pointAt(start));
    const [last, offset] = pointAt(end - 1);
    range.setEnd(last, offset + 1);
    return range;
  });
}
