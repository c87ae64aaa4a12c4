import {
  Fragment,
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useEffectEvent,
  useId,
  useRef,
  useState,
} from "react";
import { goTo } from "../hooks/use-route";
import { SnippetText } from "../search/snippet-text";
import { Moment } from "../ui/moment";
import { Line } from "../ui/text";
import type { Entry, EntryGroup } from "./use-palette-entries";
import "../styles/palette.css";

interface FinderDialogProps {
  readonly label: string;
  readonly placeholder: string;
  readonly groups: readonly EntryGroup[];
  /** How far the search has come. */
  readonly foot: ReactNode;
  readonly keys: ReactNode;
  /** Called when the reader has typed a query. */
  onQuery(query: string): void;
  onClose(): void;
}

const TYPING_MS = 200;

/** A box that finds and opens, or acts. */
export function FinderDialog(props: FinderDialogProps) {
  const { label, groups, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const listId = useId();
  const [typed, setTyped] = useState("");
  const [active, setActive] = useState(0);
  const entries = groups.flatMap((group) => group.entries);

  const onQuery = useEffectEvent(props.onQuery);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    const timer = setTimeout(() => {
      onQuery(typed.trim());
      setActive(0);
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);

  function choose(entry: Entry | undefined, keepsFilter: boolean): void {
    const link = keepsFilter ? entry?.listLink : entry?.link;
    if (entry === undefined || (link === undefined && keepsFilter)) return;
    onClose();
    if (link === undefined) void entry.act?.();
    else goTo(link);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      if (entries.length > 0) setActive((active + step + entries.length) % entries.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      choose(entries[active], event.shiftKey);
    }
  }

  return (
    <dialog ref={dialog} className="dialog palette" aria-label={label} onClose={onClose}>
      <input
        type="text"
        role="combobox"
        aria-label={label}
        aria-autocomplete="list"
        aria-expanded={entries.length > 0}
        aria-controls={listId}
        aria-activedescendant={entries[active] && `${listId}-${active}`}
        value={typed}
        placeholder={props.placeholder}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div id={listId} className="palette-list" role="listbox" aria-label="Results">
        {groups.map(({ name, entries: those }) => (
          <Fragment key={name}>
            {those.length > 0 && (
              <div role="group" aria-labelledby={`${listId}-${name}`}>
                <div className="palette-head" id={`${listId}-${name}`} role="presentation">
                  {name}
                </div>
                {those.map((entry) => (
                  <Row
                    key={entry.key}
                    entry={entry}
                    id={`${listId}-${entries.indexOf(entry)}`}
                    isActive={entries[active] === entry}
                    onChoose={(keepsFilter) => choose(entry, keepsFilter)}
                  />
                ))}
              </div>
            )}
          </Fragment>
        ))}
      </div>
      <div className="palette-foot" role="status">
        {props.foot}
      </div>
      <p className="palette-keys">{props.keys}</p>
    </dialog>
  );
}

interface RowProps {
  readonly entry: Entry;
  readonly id: string;
  readonly isActive: boolean;
  onChoose(keepsFilter: boolean): void;
}

function Row({ entry, id, isActive, onChoose }: RowProps) {
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the box, which keeps the focus
    <div
      id={id}
      role="option"
      aria-selected={isActive}
      ref={(element) => {
        if (isActive) element?.scrollIntoView({ block: "nearest" });
      }}
      onPointerDown={(event) => event.preventDefault()}
      onClick={(event) => onChoose(event.shiftKey)}
    >
      <span className="palette-label">
        {entry.snippet ? <SnippetText snippet={entry.snippet} /> : <Line text={entry.label} />}
      </span>
      {entry.detail && (
        <span className="quiet-text">
          <Line text={entry.detail} />
        </span>
      )}
      {entry.at && (
        <span className="quiet-text number">
          <Moment at={entry.at} />
        </span>
      )}
    </div>
  );
}
