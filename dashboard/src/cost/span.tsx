interface SpanProps<Value extends string> {
  readonly label: string;
  /** The choices with their words. */
  readonly choices: readonly (readonly [value: Value, words: string])[];
  readonly value: string;
  onChange(value: Value): void;
}

/** Buttons to choose the period or the group. */
export function Span<Value extends string>({ label, choices, value, onChange }: SpanProps<Value>) {
  return (
    <fieldset className="span">
      <legend className="visually-hidden">{label}</legend>
      {choices.map(([choice, words]) => (
        <button key={choice} type="button" aria-pressed={choice === value} onClick={() => onChange(choice)}>
          {words}
        </button>
      ))}
    </fieldset>
  );
}
