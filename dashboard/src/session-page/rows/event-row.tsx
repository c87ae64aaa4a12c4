import { memo, useContext } from "react";
import { useSessionPlace } from "../../hooks/session-place";
import { subjectOf } from "../../question";
import { QuestionContext } from "../../questions/question-context";
import { linesOf } from "../../state/session/changed-files";
import type { CallGroup } from "../../state/timeline/call-groups";
import type { Row } from "../../state/timeline/rows";
import {
  clockTime,
  compactNumber,
  fullTime,
  money,
  plural,
  shortDuration,
  wholeNumber,
} from "../../text/format";
import { DIAGNOSTIC_MEANING, LATE_MEANING } from "../../text/meanings";
import { oneLine } from "../../text/visible";
import { Icon } from "../../ui/icons";
import { LineCounts } from "../../ui/line-counts";
import { PlainText } from "../../ui/text";
import type { EventOf, SessionEvent } from "../../wire";
import { FoldRow } from "../content/fold-row";
import { JsonTree } from "../content/json-tree";
import { CallRow } from "./call-row";
import { ChangedLines } from "./changed-lines";
import { MessageRow } from "./message-row";

interface EventRowProps {
  readonly row: Row;
  readonly sessionId: string;
  readonly isOpen: boolean;
  onToggle(seq: number): void;
  onToggleFold(key: string): void;
}

/** One row of the timeline, memoised: scrolling renders the list, but only changed rows again. */
export const EventRow = memo(function EventRow(props: EventRowProps) {
  const { row, sessionId, isOpen, onToggleFold } = props;
  const { event, depth } = row;
  const { link } = useSessionPlace();
  const onToggle = () => props.onToggle(row.seq);
  const { group } = row;
  return (
    <>
      {row.beginsRun !== null && <RunBorder run={row.beginsRun} at={event.at} />}
      {row.beginsSubagent && (
        <p className="subagent-border" data-depth="1">
          <Icon name="subagent" /> Subagent of a call that is not loaded
        </p>
      )}
      {group && <CallGroupLine group={group} row={row} sessionId={sessionId} onToggle={onToggleFold} />}
      {(!group || group.isOpen) && (
        <div
          className={`event event-${event.kind} ${event.late ? "is-late" : ""}`}
          data-depth={Math.min(depth, 6)}
        >
          <a className="event-seq number" href={link(sessionId, row.seq)} title={`Link to event ${row.seq}`}>
            {row.seq}
          </a>
          <div className="event-body">
            {row.kind === "call" ? (
              <CallRow
                sessionId={sessionId}
                call={row.call}
                subagent={row.subagent}
                isOpen={isOpen}
                onToggle={onToggle}
                onToggleSubagent={onToggleFold}
              />
            ) : (
              <EventBody event={event} usage={row.usage} isOpen={isOpen} onToggle={onToggle} />
            )}
          </div>
          <time className="event-time number" dateTime={event.at} title={fullTime(event.at)}>
            {event.late && (
              <span className="tag" title={LATE_MEANING}>
                late
              </span>
            )}
            {event.inherited && <span className="tag">copied</span>}
            {clockTime(event.at)}
          </time>
        </div>
      )}
    </>
  );
});

interface CallGroupLineProps {
  readonly group: CallGroup;
  readonly row: Row;
  readonly sessionId: string;
  onToggle(key: string): void;
}

/** The fold around tool calls that follow each other. */
function CallGroupLine({ group, row, sessionId, onToggle }: CallGroupLineProps) {
  const known = useContext(ChangedLines);
  const lines = group.isOpen ? [] : group.calls.flatMap((seq) => known.get(seq) ?? []);
  const { link } = useSessionPlace();
  return (
    <div className="event call-group" data-testid="call-group">
      <a className="event-seq number" href={link(sessionId, row.seq)} title={`Link to event ${row.seq}`}>
        {row.seq}
      </a>
      <button
        type="button"
        className={`fold-line ${group.isBad ? "tone-bad" : ""}`}
        aria-expanded={group.isOpen}
        onClick={() => onToggle(group.key)}
      >
        <Icon name="chevron" className={`fold-mark ${group.isOpen ? "is-open" : ""}`} />
        <span className="fold-label">{plural(group.count, "call")}</span>
        <bdi className="fold-gist">{oneLine(group.words)}</bdi>
        {lines.length > 0 && <LineCounts lines={linesOf(lines)} />}
        {group.seconds !== null && <span className="number quiet-text">{shortDuration(group.seconds)}</span>}
      </button>
      <time className="event-time number" dateTime={row.event.at} title={fullTime(row.event.at)}>
        {clockTime(row.event.at)}
      </time>
    </div>
  );
}

function RunBorder({ run, at }: { run: number; at: string }) {
  return (
    <div className="run-border" data-testid="run-border">
      <span>
        Run {run} began <time dateTime={at}>{fullTime(at)}</time>
      </span>
    </div>
  );
}

interface EventBodyProps {
  readonly event: SessionEvent;
  readonly usage?: Row["usage"];
  readonly isOpen: boolean;
  onToggle(): void;
}

/** The content of an event, with one case per kind: a new kind compiles only with a case for it. */
function EventBody({ event, usage, isOpen, onToggle }: EventBodyProps) {
  const fold = { isOpen, onToggle };
  switch (event.kind) {
    case "message":
      return <MessageRow {...fold} event={event} />;
    case "thinking":
      return (
        <FoldRow {...fold} label="Thinking" gist={oneLine(event.text.slice(0, 300))}>
          <PlainText text={event.text} className="thinking" />
        </FoldRow>
      );
    case "pre_tool":
    case "post_tool":
      return <Whole {...fold} event={event} label={event.tool_name} />;
    case "permission_denied":
      return (
        <Notice
          tone="bad"
          icon="denied"
          label={`${oneLine(event.tool_name)} was denied`}
          text={event.error}
        />
      );
    case "permission_request":
      return (
        <FoldRow
          {...fold}
          label="Asks you"
          gist={oneLine(subjectOf(event.question).slice(0, 300))}
          tone="warn"
        >
          <QuestionContext question={event.question} />
          {event.question.items.map((item) => (
            <PlainText key={item.id} text={item.text} />
          ))}
          <p className="quiet-text">
            {[...event.question.choices, ...event.question.items.flatMap((item) => item.options)]
              .map((each) => oneLine(each.label))
              .join(" · ")}
          </p>
        </FoldRow>
      );
    case "permission_decided":
      return (
        <Notice
          tone={event.decision === "deny" || event.decision === "timed_out" ? "warn" : "plain"}
          label={`Decision: ${oneLine(event.decision).replace("_", " ")}${event.by ? `, by ${oneLine(event.by)}` : ""}`}
          text={event.text}
        />
      );
    case "subagent_start":
      return (
        <Notice icon="subagent" label={`${oneLine(event.subagent_type)} began`} text={event.description} />
      );
    case "subagent_stop":
      return <Notice icon="subagent" label={`Subagent ${oneLine(event.status)}`} text={event.text} />;
    case "retry":
      return <Notice tone="warn" label={retryLabel(event)} text={event.error} />;
    case "model_request":
    case "usage":
      return null; // has no row
    case "diagnostic":
      return (
        <FoldRow
          {...fold}
          label="Diagnostic"
          meaning={DIAGNOSTIC_MEANING}
          gist={oneLine(event.text.slice(0, 300))}
          tone="warn"
        >
          <PlainText text={event.text} />
        </FoldRow>
      );
    case "stderr":
      return (
        <FoldRow {...fold} label="stderr" gist={oneLine(event.text.slice(0, 300))} tone="warn">
          <PlainText text={event.text} />
        </FoldRow>
      );
    case "session_stop":
      return <RunEnd event={event} usage={usage} />;
    case "other":
      return <Whole {...fold} event={event} label={event.event_type} />;
  }
}

function RunEnd({ event, usage }: { event: EventOf<"session_stop">; usage: Row["usage"] }) {
  const reason = event.reason ?? (event.exit_code ? "failed" : "completed");
  const tone = reason === "completed" ? "good" : reason === "stopped" ? "warn" : "bad";
  return (
    <div className={`run-end tone-${tone}`} data-testid="run-end">
      <strong>
        Run {event.run} {oneLine(reason)}
      </strong>
      {event.exit_code !== null && event.exit_code !== 0 && (
        <span className="quiet-text">exit code {event.exit_code}</span>
      )}
      {usage && <span className="quiet-text number">{usageText(usage)}</span>}
      {event.error && <PlainText text={event.error} className="error-text" />}
    </div>
  );
}

/** An event of a type without its own layout: its type, its text, and all its fields on demand. */
function Whole({ event, label, isOpen, onToggle }: EventBodyProps & { label: string }) {
  const gist = event.error ?? (event.kind === "other" ? event.text : "");
  return (
    <FoldRow
      isOpen={isOpen}
      onToggle={onToggle}
      label={oneLine(label)}
      gist={oneLine(gist.slice(0, 300))}
      tone={event.error === null ? "plain" : "bad"}
    >
      <JsonTree value={event.wire} />
    </FoldRow>
  );
}

interface NoticeProps {
  readonly label: string;
  readonly text: string | null;
  readonly tone?: "plain" | "warn" | "bad";
  readonly icon?: "denied" | "subagent";
}

function Notice({ label, text, tone = "plain", icon }: NoticeProps) {
  return (
    <div className={`notice tone-${tone}`}>
      {icon && <Icon name={icon} />}
      <strong>{label}</strong>
      {text && <PlainText text={text} />}
    </div>
  );
}

function retryLabel(event: EventOf<"retry">): string {
  const of = event.max_retries === null ? "" : ` of ${event.max_retries}`;
  const attempt = event.attempt === null ? "" : ` ${event.attempt}${of}`;
  const wait = event.delay_seconds === null ? "" : `, in ${event.delay_seconds.toFixed(1)}s`;
  return `Retry${attempt}${wait}`;
}

function usageText(usage: EventOf<"usage">["usage"]): string {
  const parts: string[] = [];
  const add = (count: number | undefined, words: string) => {
    if (count) parts.push(`${count < 10_000 ? wholeNumber(count) : compactNumber(count)} ${words}`);
  };
  add(usage.input_tokens, "in");
  add(usage.output_tokens, "out");
  add(usage.cache_read_tokens, "from cache");
  add(usage.cache_creation_tokens, "to cache");
  if (usage.cost_microdollars) parts.push(money(usage.cost_microdollars));
  return parts.join(" · ");
}
