import { type KeyboardEvent, type RefObject, useEffect, useEffectEvent, useId, useState } from "react";

export interface TypedFieldProps {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  readonly className?: string;
  readonly options?: readonly { readonly value: string; readonly count: number }[];
  readonly inputRef?: RefObject<HTMLInputElement | null>;
  onChange(value: string): void;
  onKeyDown?(event: KeyboardEvent<HTMLInputElement>): void;
}

const TYPING_MS = 250;

/** A text filter; it is applied at Enter, or when the typing pauses or the field loses the focus, to save requests. */
export function TypedField({
  label,
  placeholder,
  value,
  className = "",
  options,
  inputRef,
  onChange,
  onKeyDown,
}: TypedFieldProps) {
  const listId = useId();
  const [typed, setTyped] = useState(value);
  const [applied, setApplied] = useState(value);
  if (applied !== value) {
    setApplied(value);
    setTyped(value);
  }
  const apply = useEffectEvent(onChange);

  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => apply(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, value]);

  return (
    <label className={`field ${className}`}>
      <span>{label}</span>
      <input
        ref={inputRef}
        type="search"
        value={typed}
        placeholder={placeholder}
        list={options && listId}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && typed !== value) onChange(typed);
          else onKeyDown?.(event);
          if (event.key !== "Escape") return;
          event.preventDefault(); // a browser may empty the field
          event.currentTarget.blur();
        }}
        onBlur={() => typed !== value && onChange(typed)}
      />
      {options && (
        <datalist id={listId}>
          {options.map((option) => (
            <option key={option.value} value={option.value} label={`${option.value} (${option.count})`} />
          ))}
        </datalist>
      )}
    </label>
  );
}
