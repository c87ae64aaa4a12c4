import { useVirtualizer } from "@tanstack/react-virtual";
import { Fragment, memo, useMemo, useRef } from "react";
import { useSessionPlace } from "../hooks/session-place";
import { replaceRoute } from "../hooks/use-route";
import { type Outline, type OutlineLine, outlineLines } from "../state/session/outline";
import { shortPath } from "../text/format";
import { oneLine } from "../text/visible";
import { Icon, type IconName } from "../ui/icons";
import type { OutlineEntry } from "../wire";

const KINDS: Readonly<Record<OutlineEntry["kind"], { icon: IconName; word: string }>> = {
  prompt: { icon: "prompt", word: "Prompt" },
  compaction: { icon: "archive", word: "Context compacted" },
  edit: { icon: "pencil", word: "Edit" },
  failure: { icon: "failed", word: "Failed" },
  denial: { icon: "denied", word: "Denied" },
  subagent: { icon: "subagent", word: "Subagent" },
  run_end: { icon: "finished", word: "End of run" },
};
const ROW_PX = 27;

interface OutlinePanelProps {
  readonly sessionId: string;
  readonly outline: Outline;
}

/** The outline of a session: one line for each prompt, edit, failure, denial, subagent and end of a run. It is memoised,
 * because the session changes with each event, but its outline seldom does. */
export const OutlinePanel = memo(function OutlinePanel({ sessionId, outline }: OutlinePanelProps) {
  const lines = useMemo(() => outlineLines(outline.entries), [outline.entries]);
  const scroller = useRef<HTMLUListElement>(null);
  const virtualizer = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  if (lines.length === 0) return <p className="quiet-text outline-empty">No prompts, edits or failures.</p>;
  return (
    <nav aria-label="Outline" className="outline">
      <ul ref={scroller} className="outline-scroll">
        <li aria-hidden="true" style={{ height: virtualizer.getTotalSize() }} />
        {virtualizer.getVirtualItems().map(({ index, start }) => {
          const line = lines[index];
          return (
            line && (
              <li
                key={line.entry.seq}
                className={`outline-line outline-${toneOf(line.entry)}`}
                style={{ transform: `translateY(${start}px)` }}
              >
                <Line sessionId={sessionId} line={line} />
              </li>
            )
          );
        })}
      </ul>
    </nav>
  );
});

/** Numbers of the edits of one file that are shown as links. */
const SHOWN_EDITS = 4;

function Line({ sessionId, line }: { sessionId: string; line: OutlineLine }) {
  const { entry, seqs, isNewRun } = line;
  const { icon, word } = iconOf(entry);
  const text = textOf(entry);
  return (
    <>
      <Jump
        sessionId={sessionId}
        seq={seqs[0] ?? entry.seq}
        className="outline-link"
        title={entry.error ?? text}
      >
        <Icon name={icon} />
        <span className="visually-hidden">{word}: </span>
        <bdi className="outline-text">{text}</bdi>
        {isNewRun && <span className="tag">run {entry.run}</span>}
      </Jump>
      <span className="outline-seqs number">
        {seqs.slice(0, SHOWN_EDITS).map((seq) => (
          <Fragment key={seq}>
            <Jump sessionId={sessionId} seq={seq} className="outline-seq" title={`Go to event ${seq}`}>
              {seq}
            </Jump>{" "}
          </Fragment>
        ))}
        {seqs.length > SHOWN_EDITS && `+${seqs.length - SHOWN_EDITS}`}
      </span>
    </>
  );
}

interface JumpProps {
  readonly sessionId: string;
  readonly seq: number;
  readonly className: string;
  readonly title: string;
  readonly children: React.ReactNode;
}

/** A link that does not add a step to the history, so that Back leaves the session. */
function Jump({ sessionId, seq, className, title, children }: JumpProps) {
  const link = useSessionPlace().link(sessionId, seq);
  return (
    <a
      href={link}
      className={className}
      title={oneLine(title)}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        replaceRoute(link);
      }}
    >
      {children}
    </a>
  );
}

function iconOf(entry: OutlineEntry): { icon: IconName; word: string } {
  if (entry.kind !== "run_end" || entry.error === null) return KINDS[entry.kind];
  return { icon: "failed", word: "End of run" };
}

function toneOf({ kind, error }: OutlineEntry): string {
  if (kind === "prompt") return "prompt";
  if (kind === "failure" || kind === "denial") return "bad";
  return kind === "run_end" && error !== null ? "bad" : "plain";
}

function textOf({ kind, run, text, error, files }: OutlineEntry): string {
  const [file] = files;
  if (kind === "edit" && file) return files.length > 1 ? `${files.length} files` : shortPath(file.path);
  if (kind === "compaction") return "Context was compacted";
  if (kind === "run_end") return `Run ${run} ${text ?? "ended"}${error ? `: ${oneLine(error)}` : ""}`;
  return oneLine(text ?? error ?? (kind === "prompt" ? "Started without a prompt" : kind));
}
