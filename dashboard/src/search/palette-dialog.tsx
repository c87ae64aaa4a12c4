import { Fragment, type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { explain, hasCode } from "../api/errors";
import { goTo } from "../hooks/use-route";
import { plural } from "../text/format";
import { Moment } from "../ui/moment";
import { Line } from "../ui/text";
import { MalformedQuery } from "./malformed-query";
import { SnippetText } from "./snippet-text";
import { type Entry, type PaletteActs, usePaletteEntries } from "./use-palette-entries";
import "../styles/palette.css";

interface PaletteDialogProps extends PaletteActs {
  onClose(): void;
}

const TYPING_MS = 200;

export function PaletteDialog({ onClose, ...acts }: PaletteDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const listId = useId();
  const [typed, setTyped] = useState("");
  const [query, setQuery] = useState("");
  const [active, setActive] = useState(0);
  const { groups, found } = usePaletteEntries(query, acts);
  const entries = groups.flatMap((group) => group.entries);

  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    const timer = setTimeout(() => {
      setQuery(typed.trim());
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
    <dialog ref={dialog} className="dialog palette" aria-label="Search or do" onClose={onClose}>
      <input
        type="text"
        role="combobox"
        aria-label="Search or do"
        aria-autocomplete="list"
        aria-expanded={entries.length > 0}
        aria-controls={listId}
        aria-activedescendant={entries[active] && `${listId}-${active}`}
        value={typed}
        placeholder="A session, words that were said, or what to do"
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
        {hasCode(found.error, "invalid_query") ? (
          <MalformedQuery query={found.query} error={found.error} />
        ) : (
          <p>{noteOf(found)}</p>
        )}
      </div>
      <p className="palette-keys">
        <kbd>Enter</kbd> opens · <kbd>Shift Enter</kbd> keeps all as a list · <kbd>Escape</kbd> closes
      </p>
    </dialog>
  );
}

/** How far the search has come, and why it may have missed something. */
function noteOf({ error, isLoading, lag, progress }: ReturnType<typeof usePaletteEntries>["found"]): string {
  if (error) return explain(error);
  if (isLoading) return "Searching …";
  const notes = [
    lag > 0 ? `The index is ${plural(lag, "event")} behind: newer events may be missing.` : "",
    progress ? `Newest ${progress.considered.toLocaleString("en")} matches considered.` : "",
  ];
  return notes.join(" ").trim();
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
