import { useState } from "react";
import { explain, hasCode } from "../api/errors";
import { MalformedQuery } from "../search/malformed-query";
import { plural } from "../text/format";
import { FinderDialog } from "./finder-dialog";
import { type PaletteActs, usePaletteEntries } from "./use-palette-entries";

interface PaletteDialogProps extends PaletteActs {
  onClose(): void;
}

export function PaletteDialog({ onClose, ...acts }: PaletteDialogProps) {
  const [query, setQuery] = useState("");
  const { groups, found } = usePaletteEntries(query, acts);
  return (
    <FinderDialog
      label="Search or do"
      placeholder="A session, words that were said, or what to do"
      groups={groups}
      foot={
        hasCode(found.error, "invalid_query") ? (
          <MalformedQuery query={found.query} error={found.error} />
        ) : (
          <p>{noteOf(found)}</p>
        )
      }
      keys={
        <>
          <kbd>Enter</kbd> opens · <kbd>Shift Enter</kbd> keeps all as a list · <kbd>Escape</kbd> closes
        </>
      }
      onQuery={setQuery}
      onClose={onClose}
    />
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
