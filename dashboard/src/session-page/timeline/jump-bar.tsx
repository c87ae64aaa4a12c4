import { type RefObject, useState } from "react";
import { wholeNumber } from "../../text/format";
import { searchLink } from "../../text/route";

export interface Jumps {
  firstError(): void;
  nextCall(): void;
  previousCall(): void;
  seq(seq: number): void;
  end(): void;
}

interface JumpBarProps {
  readonly sessionId: string;
  readonly head: number;
  readonly jumps: Jumps;
  readonly seqInput: RefObject<HTMLInputElement | null>;
}

export function JumpBar({ sessionId, head, jumps, seqInput }: JumpBarProps) {
  const [typed, setTyped] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <div className="jump-bar" role="toolbar" aria-label="Jump within the session">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const seq = /^ *[0-9]+ *$/.test(typed) ? Number(typed) : Number.NaN;
          if (!(seq >= 1 && seq <= head)) {
            setProblem(head === 0 ? "There are no events." : `Type a number from 1 to ${wholeNumber(head)}.`);
            return;
          }
          jumps.seq(seq);
          setTyped("");
          seqInput.current?.blur();
        }}
      >
        <label>
          <span className="visually-hidden">Go to event</span>
          <input
            ref={seqInput}
            inputMode="numeric"
            aria-invalid={problem !== null}
            placeholder="Event #"
            title="Go to an event (#)"
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value);
              setProblem(null);
            }}
          />
        </label>
        <span className="quiet-text number">of {wholeNumber(head)}</span>
        {problem && (
          <span className="problem" role="alert">
            {problem}
          </span>
        )}
      </form>
      <button
        type="button"
        className="button quiet"
        title="Previous tool call (p)"
        onClick={jumps.previousCall}
      >
        ↑ Tool
      </button>
      <button type="button" className="button quiet" title="Next tool call (n)" onClick={jumps.nextCall}>
        ↓ Tool
      </button>
      <button type="button" className="button quiet" title="First error (e)" onClick={jumps.firstError}>
        First error
      </button>
      <button type="button" className="button quiet" title="To the end (G)" onClick={jumps.end}>
        End
      </button>
      <a
        className="button quiet"
        href={searchLink({ session_id: sessionId })}
        title="Search in this session (f)"
      >
        Search
      </a>
    </div>
  );
}
