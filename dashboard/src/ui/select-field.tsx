interface SelectFieldProps<Choice extends string> {
  readonly label: string;
  readonly value: Choice | null;
  /** The choices with their words; null is for no choice. */
  readonly choices: readonly (readonly [value: Choice | null, words: string])[];
  onChange(value: Choice | null): void;
}

export function SelectField<Choice extends string>(props: SelectFieldProps<Choice>) {
  const { label, value, choices, onChange } = props;
  return (
    <label className="field">
      <span>{label}</span>
      <select
        value={value ?? ""}
        onChange={(event) => onChange(choices.find(([choice]) => choice === event.target.value)?.[0] ?? null)}
      >
        {choices.map(([choice, words]) => (
          <option key={choice ?? ""} value={choice ?? ""}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
