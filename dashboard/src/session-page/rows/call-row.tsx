import { useContext } from "react";
import { useNow } from "../../hooks/use-now";
import { type Call, errorOf, type Outcome, type Subagent } from "../../state/timeline/rows";
import { aloneLink } from "../../text/address/route";
import { gist } from "../../text/content/calls";
import { plural, shortDuration } from "../../text/format";
import { oneLine } from "../../text/visible";
import { Icon, type IconName } from "../../ui/icons";
import { LineCounts } from "../../ui/line-counts";
import { FoldRow } from "../content/fold-row";
import { CallDetails } from "./call-details";
import { ChangedLines } from "./changed-lines";

interface CallRowProps {
  readonly sessionId: string;
  readonly call: Call;
  readonly subagent: Subagent | null;
  readonly isOpen: boolean;
  onToggle(): void;
  onToggleSubagent(key: string): void;
}

const OUTCOMES: Readonly<Record<Outcome, { icon: IconName; word: string }>> = {
  running: { icon: "running", word: "running" },
  ok: { icon: "finished", word: "ok" },
  failed: { icon: "failed", word: "failed" },
  denied: { icon: "denied", word: "denied" },
  unknown: { icon: "unknown", word: "outcome unknown" },
};

/** A tool call on one line, with its duration and its error, if any; it opens to show input and output. */
export function CallRow({ sessionId, call, subagent, isOpen, onToggle, onToggleSubagent }: CallRowProps) {
  const { icon, word } = OUTCOMES[call.outcome];
  const error = errorOf(call);
  const isBad = call.outcome === "failed" || call.outcome === "denied";
  const lines = useContext(ChangedLines).get((call.begun ?? call.ended)?.seq ?? 0);
  return (
    <div data-testid="call" data-outcome={call.outcome}>
      <FoldRow
        label={oneLine(call.toolName)}
        gist={oneLine(call.begun ? gist(call.begun.tool_input) : "")}
        tone={isBad ? "bad" : "plain"}
        isOpen={isOpen}
        onToggle={onToggle}
        end={
          <>
            {!isOpen && lines && <LineCounts lines={lines} />}
            <span className={`outcome outcome-${call.outcome}`}>
              <span className="number quiet-text">
                {call.seconds !== null && call.seconds > 0 && shortDuration(call.seconds)}
                {call.outcome === "running" && call.begun && <Ticking since={call.begun.at} />}
              </span>
              <span className={isBad || call.outcome === "running" ? "" : "visually-hidden"}>{word}</span>
              <Icon name={icon} />
            </span>
          </>
        }
      >
        <CallDetails call={call} />
      </FoldRow>
      {!isOpen && error !== null && (
        <p className="call-error">
          <bdi>{oneLine(error)}</bdi>
        </p>
      )}
      {subagent && (
        <>
          <button
            type="button"
            className="subagent-fold"
            aria-expanded={subagent.isOpen}
            onClick={() => onToggleSubagent(subagent.key)}
          >
            <Icon name="chevron" className="fold-mark" />
            Subagent: {plural(subagent.loaded, "event")}
          </button>
          {call.begun && (
            <a
              className="follow-alone"
              href={aloneLink(sessionId, call.begun.seq)}
              aria-label={`Follow alone: the subagent of event ${call.begun.seq}`}
            >
              Follow alone
            </a>
          )}
        </>
      )}
    </div>
  );
}

function Ticking({ since }: { since: string }) {
  return <>{shortDuration(Math.max(1, (useNow() - Date.parse(since)) / 1000))}</>;
}
