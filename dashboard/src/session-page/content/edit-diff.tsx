import { memo, useMemo } from "react";
import { type DiffLine, lineDiff } from "../../text/content/diff";
import { plural } from "../../text/format";
import { visible } from "../../text/visible";

const SIGNS = { same: " ", added: "+", removed: "−" } as const;
const SHOWN_LINES = 400;

/** An edit, line by line; signs repeat the meaning of the colours. */
export const EditDiff = memo(function EditDiff({ before, after }: { before: string; after: string }) {
  const lines = useMemo(() => lineDiff(before, after), [before, after]);
  const hidden = lines.length - SHOWN_LINES;
  return (
    <div className="diff" role="group" aria-label="Edit">
      {lines.slice(0, SHOWN_LINES).map((line, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines of one edit never change their places
        <Line key={place} line={line} />
      ))}
      {hidden > 0 && <div className="diff-skipped">… {plural(hidden, "more line")}</div>}
    </div>
  );
});

function Line({ line }: { line: DiffLine }) {
  if (line.kind === "skipped") return <div className="diff-skipped">⋯ {plural(line.count, "line")}</div>;
  return (
    <div className={`diff-line diff-${line.kind}`}>
      <span className="diff-sign">{SIGNS[line.kind]}</span>
      <span>{visible(line.text) || " "}</span>
    </div>
  );
}
