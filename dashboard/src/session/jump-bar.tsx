import { type RefObject, useState } from "react";
import { wholeNumber } from "../text/format";

export interface Jumps {
  firstError(): void;
  nextCall(): void;
  previousCall(): void;
  seq(seq: number): void;
  end(): void;
}

interface JumpBarProps {
  readonly head: number;
  readonly jumps: Jumps;
  readonly seqInput: RefObject<HTMLInputElement | null>;
}

export function JumpBar({ head, jumps, seqInput }: JumpBarProps) {
  const [typed, setTyped] = useState("");
  return (
    <div className="jump-bar" role="toolbar" aria-label="Jump within the session">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const seq = Number(typed);
          if (Number.isSafeInteger(seq) && seq > 0) jumps.seq(seq);
          setTyped("");
          seqInput.current?.blur();
        }}
      >
        <label>
          <span className="visually-hidden">Go to event</span>
          <input
            ref={seqInput}
            inputMode="numeric"
            pattern="[0-9]*"
            placeholder="Event #"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <span className="quiet-text number">of {wholeNumber(head)}</span>
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
    </div>
  );
}
