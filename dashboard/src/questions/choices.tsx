import { useState } from "react";
import type { Answer, Choice, Question } from "../question";
import { Line } from "../ui/text";

interface ChoicesProps {
  readonly question: Question;
  readonly isBusy: boolean;
  onAnswer(answer: Answer): void;
}

const ORDER = ["allow", "allow_for_run", "allow_always", "deny"];

/** The choices of a permission. A rule that the agent keeps needs a second step, which shows its scope. */
export function Choices({ question, isBusy, onAnswer }: ChoicesProps) {
  const [text, setText] = useState("");
  const [always, setAlways] = useState<Choice | null>(null);
  const choices = [...question.choices].sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const take = (choice: Choice) =>
    onAnswer({ choice: choice.id, ...(text.trim() !== "" && { text: text.trim() }) });
  if (always !== null) {
    return (
      <div className="always-step" role="group" aria-label="Confirm a rule that stays">
        <p>
          The agent keeps this rule, and does not ask again:{" "}
          <strong>
            <Line text={always.label} />
          </strong>
        </p>
        <div className="choices">
          <button type="button" className="button danger" disabled={isBusy} onClick={() => take(always)}>
            Yes, always
          </button>
          <button type="button" className="button" onClick={() => setAlways(null)}>
            Back
          </button>
        </div>
      </div>
    );
  }
  return (
    <>
      <label className="field question-text">
        <span>Tell the agent (optional)</span>
        <input type="text" value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      <div className="choices">
        {choices.map((choice) => (
          <button
            key={choice.id}
            type="button"
            className={`button ${choice.kind === "allow" ? "primary" : ""} ${choice.kind === "deny" ? "danger" : ""}`}
            disabled={isBusy}
            onClick={() => (choice.kind === "allow_always" ? setAlways(choice) : take(choice))}
          >
            <Line text={choice.label} />
            {choice.kind === "allow_always" && "…"}
          </button>
        ))}
      </div>
    </>
  );
}
