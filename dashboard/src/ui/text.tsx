import { createContext, type ReactNode, useContext, useMemo, useState } from "react";
import { wholeNumber } from "../text/format";
import type { SoughtWords } from "../text/sought-words";
import { oneLine, visible } from "../text/visible";

/** A single line of untrusted text, for example a name; it cannot change the direction of the text around it. */
export function Line({ text, title }: { text: string; title?: string }) {
  return <bdi title={title}>{oneLine(text)}</bdi>;
}

const SHOWN_CHARACTERS = 6000;

interface ClippedProps {
  readonly text: string;
  readonly limit?: number;
  readonly children: (shown: string) => ReactNode;
}

/** True if all texts are shown in full from the start, as for printing. */
export const WholeText = createContext(false);

/** The words that a search has found in the texts inside; they must be shown. */
export const Sought = createContext<SoughtWords | null>(null);

/** Number of characters to show after the first sought word. */
const SHOWN_AFTER = 500;

/** Shows only the start of a long text, as far as the first sought word, until the reader requests all of it. */
export function Clipped({ text, limit = SHOWN_CHARACTERS, children }: ClippedProps) {
  const [isWhole, setWhole] = useState(useContext(WholeText));
  const words = useContext(Sought);
  const needed = useMemo(() => (words?.find(text)[0]?.end ?? -SHOWN_AFTER) + SHOWN_AFTER, [words, text]);
  if (isWhole || text.length <= Math.max(limit * 1.2, needed)) return children(text);
  return (
    <>
      {children(cutAt(text, Math.max(limit, needed)))}
      <button type="button" className="show-all below" onClick={() => setWhole(true)}>
        Show all {wholeNumber(text.length)} characters
      </button>
    </>
  );
}

/** Cut at a nearby line break if there is one, and never within a surrogate pair. */
function cutAt(text: string, limit: number): string {
  const line = text.lastIndexOf("\n", limit);
  return line > limit * 0.8 ? text.slice(0, line) : text.slice(0, limit).replace(/[\ud800-\udbff]$/, "");
}

/** Make an element reachable by keyboard if its content must be scrolled. */
export function scrollByKeys(element: HTMLElement | null): void {
  if (element === null) return;
  const { scrollHeight, clientHeight, scrollWidth, clientWidth } = element;
  if (scrollHeight > clientHeight || scrollWidth > clientWidth) element.tabIndex = 0;
}

export function PlainText({ text, className = "" }: { text: string; className?: string }) {
  return (
    <Clipped text={text}>
      {(shown) => (
        <pre ref={(element) => scrollByKeys(element)} className={`plain ${className}`} dir="auto">
          {visible(shown)}
        </pre>
      )}
    </Clipped>
  );
}
