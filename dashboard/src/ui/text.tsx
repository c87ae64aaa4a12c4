import { createContext, type ReactNode, useContext, useState } from "react";
import { wholeNumber } from "../text/format";
import { oneLine, visible } from "../text/visible";

/** A name or another single line that somebody else wrote: it cannot change the direction of its surroundings. */
export function Line({ text, title }: { text: string; title?: string }) {
  return <bdi title={title}>{oneLine(text)}</bdi>;
}

const SHOWN_CHARACTERS = 6000;

interface ClippedProps {
  readonly text: string;
  readonly limit?: number;
  readonly children: (shown: string) => ReactNode;
}

/** Whether everything is shown in full from the start, as on paper. */
export const WholeText = createContext(false);

/** Long text is cut until the reader asks for all of it. */
export function Clipped({ text, limit = SHOWN_CHARACTERS, children }: ClippedProps) {
  const [isWhole, setWhole] = useState(useContext(WholeText));
  if (isWhole || text.length <= limit * 1.2) return children(text);
  return (
    <>
      {children(cutAt(text, limit))}
      <button type="button" className="show-all below" onClick={() => setWhole(true)}>
        Show all {wholeNumber(text.length)} characters
      </button>
    </>
  );
}

/** At a line break if there is one near, and never within a surrogate pair. */
function cutAt(text: string, limit: number): string {
  const line = text.lastIndexOf("\n", limit);
  return line > limit * 0.8 ? text.slice(0, line) : text.slice(0, limit).replace(/[\ud800-\udbff]$/, "");
}

export function PlainText({ text, className = "" }: { text: string; className?: string }) {
  return (
    <Clipped text={text}>
      {(shown) => (
        <pre className={`plain ${className}`} dir="auto">
          {visible(shown)}
        </pre>
      )}
    </Clipped>
  );
}
