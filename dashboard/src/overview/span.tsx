interface SpanProps<Value extends number | string> {
  readonly label: string;
  readonly values: readonly Value[];
  readonly unit?: string;
  readonly value: Value;
  onChange(value: NoInfer<Value>): void;
}

/** Buttons to choose the period or the group of a plot. */
export function Span<Value extends number | string>(props: SpanProps<Value>) {
  const { label, values, unit = "", value, onChange } = props;
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
