import {
  type KeyboardEvent,
  type RefObject,
  useEffect,
  useEffectEvent,
  useId,
  useRef,
  useState,
} from "react";
import { type KnownValues, type Suggestion, suggest } from "../text/address/suggestions";
import { visible } from "../text/visible";
import { IconButton } from "../ui/icon-button";
import { Icon } from "../ui/icons";

interface FilterBoxProps {
  readonly query: string;
  readonly box: RefObject<HTMLInputElement | null>;
  readonly known: KnownValues;
  onChange(query: string): void;
}

const TYPING_MS = 250;

/** The text of the filter, with suggestions for the token at the caret: an editable combobox with a list. */
export function FilterBox({ query, box, known, onChange }: FilterBoxProps) {
  const listId = useId();
  const [typed, setTyped] = useState(query);
  const [applied, setApplied] = useState(query);
  const [caret, setCaret] = useState(query.length);
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const caretToSet = useRef<number | null>(null);
  if (applied !== query) {
    setApplied(query);
    if (query !== typed.trim()) {
      setTyped(query);
      setOpen(false);
    }
  }

  const apply = useEffectEvent(onChange);
  useEffect(() => {
    if (typed.trim() === query) return;
    const timer = setTimeout(() => apply(typed.trim()), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, query]);

  useEffect(() => {
    if (caretToSet.current === null) return;
    box.current?.setSelectionRange(caretToSet.current, caretToSet.current);
    caretToSet.current = null;
  });

  const suggestions = isOpen ? suggest(typed, caret, known) : [];
  const isShown = suggestions.length > 0;

  function applyNow(): void {
    if (typed.trim() !== query) onChange(typed.trim());
  }

  function open(): void {
    setOpen(true);
    setActive(-1);
  }

  function choose(suggestion: Suggestion): void {
    setTyped(suggestion.query);
    setCaret(suggestion.caret);
    caretToSet.current = suggestion.caret;
    setActive(-1);
    setOpen(suggestion.text.endsWith(":")); // then its values are next
  }

  function onKeyDown(event: KeyboardEvent<HTMLInputElement>): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const chosen = suggestions[active];
    if (step !== undefined) {
      event.preventDefault();
      // One place more than there are suggestions: the text itself.
      const places = suggestions.length + 1;
      if (isOpen) setActive(((active + 1 + step + places) % places) - 1);
      else open();
    } else if (event.key === "Enter" && chosen) {
      choose(chosen);
    } else if (event.key === "Enter") {
      setOpen(false);
      applyNow();
    } else if (event.key === "Escape") {
      event.preventDefault(); // a browser may empty the field
      if (isShown) setOpen(false);
      else event.currentTarget.blur();
    }
  }

  return (
    <div className="filter-box">
      <Icon name="search" className="filter-icon" />
      <input
        ref={box}
        type="search"
        role="combobox"
        aria-label="Filter"
        aria-autocomplete="list"
        aria-expanded={isShown}
        aria-controls={isShown ? listId : undefined}
        aria-activedescendant={suggestions[active] && `${listId}-${active}`}
        value={typed}
        placeholder="state:failed project:shop since:7d words"
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="off"
        enterKeyHint="search"
        onChange={(event) => {
          const { value, selectionStart } = event.target;
          const at = selectionStart ?? value.length;
          setTyped(value);
          setCaret(at);
          if (/\S$/.test(value.slice(0, at))) open();
          else setOpen(false);
        }}
        onSelect={(event) => setCaret(event.currentTarget.selectionStart ?? 0)}
        onKeyDown={onKeyDown}
        onBlur={() => {
          setOpen(false);
          applyNow();
        }}
      />
      <IconButton
        icon="filter"
        label="Add a filter"
        keys="↓"
        onClick={() => {
          const end = typed.trim() === "" ? "" : `${typed.trimEnd()} `;
          setTyped(end);
          setCaret(end.length);
          caretToSet.current = end.length;
          box.current?.focus();
          open();
        }}
      />
      {isShown && (
        <div className="suggestions" role="listbox" id={listId} aria-label="Suggestions">
          {suggestions.map((suggestion, place) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the box, which keeps the focus
            <div
              key={suggestion.text}
              id={`${listId}-${place}`}
              role="option"
              aria-selected={place === active}
              ref={(element) => {
                if (place === active) element?.scrollIntoView({ block: "nearest" });
              }}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => choose(suggestion)}
            >
              <bdi>{visible(suggestion.text)}</bdi>
              <span className="quiet-text">{suggestion.hint}</span>
            </div>
          ))}
        </div>
      )}
    </div>
  );
}
