import { useState } from "react";
import type { Answer, Item, Question } from "../question";
import { Line, PlainText } from "../ui/text";

interface ItemsProps {
  readonly question: Question;
  readonly isBusy: boolean;
  onAnswer(answer: Answer): void;
}

interface Given {
  readonly chosen: readonly string[];
  readonly typed: string;
}

const NOTHING: Given = { chosen: [], typed: "" };

/** The questions of an agent, each with its options and a free text. */
export function Items({ question, isBusy, onAnswer }: ItemsProps) {
  const [given, setGiven] = useState<Readonly<Record<string, Given>>>({});
  const answers = Object.fromEntries(
    question.items.map((item) => [item.id, textsOf(item, given[item.id] ?? NOTHING)]),
  );
  const isComplete = Object.values(answers).every((texts) => texts.length > 0);
  return (
    <form
      className="question-items"
      onSubmit={(event) => {
        event.preventDefault();
        if (isComplete && !isBusy) onAnswer({ answers });
      }}
    >
      {question.items.map((item) => (
        <ItemField
          key={item.id}
          item={item}
          given={given[item.id] ?? NOTHING}
          onChange={(next) => setGiven((before) => ({ ...before, [item.id]: next }))}
        />
      ))}
      <div className="choices">
        <button type="submit" className="button primary" disabled={!isComplete || isBusy}>
          Answer
        </button>
      </div>
    </form>
  );
}

function ItemField({
  item,
  given,
  onChange,
}: {
  item: Item;
  given: Given;
  onChange: (given: Given) => void;
}) {
  const toggle = (label: string, isOn: boolean) => {
    if (!item.isMultiple) return onChange({ chosen: [label], typed: "" });
    onChange({
      ...given,
      chosen: isOn ? [...given.chosen, label] : given.chosen.filter((each) => each !== label),
    });
  };
  return (
    <fieldset>
      <legend>
        <PlainText text={item.text} />
      </legend>
      {item.options.map(({ label, description }) => (
        <label key={label} className="option">
          <input
            type={item.isMultiple ? "checkbox" : "radio"}
            name={item.id}
            checked={given.chosen.includes(label)}
            onChange={(event) => toggle(label, event.target.checked)}
          />
          <span>
            <Line text={label} />
            {description && <small className="quiet-text">{description}</small>}
          </span>
        </label>
      ))}
      {item.isFree && (
        <label className="field question-text">
          <span>{item.options.length > 0 ? "Or another answer" : "Answer"}</span>
          <input
            type="text"
            value={given.typed}
            onChange={(event) =>
              onChange({ chosen: item.isMultiple ? given.chosen : [], typed: event.target.value })
            }
          />
        </label>
      )}
    </fieldset>
  );
}

function textsOf(item: Item, given: Given): readonly string[] {
  const typed = given.typed.trim();
  const texts = typed === "" ? given.chosen : [...given.chosen, typed];
  return item.isMultiple ? texts : texts.slice(-1);
}
