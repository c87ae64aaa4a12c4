import { useState } from "react";
import type { Acts } from "../../feed/use-acts";
import { plural, wholeNumber } from "../../text/format";
import { Dialog } from "../../ui/dialog";
import { PairLinks } from "../../ui/pair-links";
import type { Selected } from "./use-selected";

interface SelectionBarProps {
  readonly selected: Selected;
  readonly acts: Acts;
  /** Whether the list has only archived sessions. */
  readonly isArchive: boolean;
  onClear(): void;
}

/** Actions on the selected sessions. */
export function SelectionBar({ selected, acts, isArchive, onClear }: SelectionBarProps) {
  const [isDeleting, setDeleting] = useState(false);
  const { count, stoppable } = selected;
  const { progress } = acts;

  async function act(run: () => Promise<void>): Promise<void> {
    setDeleting(false);
    await run();
    onClear();
  }

  return (
    <section className="selection-bar" aria-label="Selected sessions">
      <strong>{progress ? progressWords(progress) : `${plural(count, "session")} selected`}</strong>
      {progress ? (
        <button type="button" className="button" onClick={progress.cancel}>
          Cancel
        </button>
      ) : (
        <>
          <PairLinks sessions={selected.sessions} />
          <button
            type="button"
            className="button"
            disabled={stoppable.length === 0}
            onClick={() => void act(() => acts.stop(stoppable))}
          >
            {stoppable.length === 0 ? "Stop" : `Stop ${wholeNumber(stoppable.length)}`}
            {stoppable.length > 0 && stoppable.length < count && ` of ${wholeNumber(count)}`}
          </button>
          <button
            type="button"
            className="button"
            onClick={() => void act(async () => acts.archive(await selected.load(), !isArchive))}
          >
            {isArchive ? "Unarchive" : "Archive"}
          </button>
          <button type="button" className="button danger" onClick={() => setDeleting(true)}>
            Delete…
          </button>
          <button
            type="button"
            className="button quiet"
            title="Clear the selection (Escape)"
            onClick={onClear}
          >
            Clear
          </button>
        </>
      )}
      {isDeleting && (
        <Dialog
          title={`Delete ${plural(count, "session")}?`}
          onClose={() => setDeleting(false)}
          actions={
            <button
              type="button"
              className="button danger"
              onClick={() => void act(async () => acts.remove(await selected.load()))}
            >
              Delete {plural(count, "session")}
            </button>
          }
        >
          <p>
            Their runs, events and transcripts are deleted too. This cannot be undone. Running sessions stay.
          </p>
        </Dialog>
      )}
    </section>
  );
}

function progressWords({ done, count }: { done: number; count: number }): string {
  return `${wholeNumber(done)} of ${plural(count, "session")} done …`;
}
