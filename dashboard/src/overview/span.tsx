interface SpanProps {
  readonly label: string;
  readonly values: readonly number[];
  readonly unit: string;
  readonly value: number;
  onChange(value: number): void;
}

/** Buttons to choose the period of a plot. */
export function Span({ label, values, unit, value, onChange }: SpanProps) {
  return (
    <fieldset className="span">
      <legend className="visually-hidden">{label}</legend>
      {values.map((choice) => (
        <button key={choice} type="button" aria-pressed={choice === value} onClick={() => onChange(choice)}>
          {choice} {unit}
        </button>
      ))}
    </fieldset>
  );
}
