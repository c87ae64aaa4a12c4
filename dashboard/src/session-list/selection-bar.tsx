import { useState } from "react";
import { archiveSession, deleteSession, requestStop } from "../api/routes";
import { useSessionsFeed } from "../hooks/sessions-feed-provider";
import { plural } from "../text/format";
import { Dialog } from "../ui/dialog";
import { useToasts } from "../ui/toasts";
import { type Session, takesRequests } from "../wire";

/** Actions on several sessions; a failure for one session does not stop the others. */
export function SelectionBar({ sessions, onClear }: { sessions: readonly Session[]; onClear: () => void }) {
  const { learn, forget } = useSessionsFeed();
  const { show } = useToasts();
  const [isDeleting, setDeleting] = useState(false);
  const running = sessions.filter(takesRequests);

  async function forEach(
    chosen: readonly Session[],
    verb: string,
    act: (session: Session) => Promise<void>,
    undo?: () => void,
  ): Promise<void> {
    const outcomes = await Promise.allSettled(chosen.map(act));
    const failures = outcomes.filter((outcome) => outcome.status === "rejected");
    const done = `${plural(chosen.length - failures.length, "session")} ${verb}`;
    const reason: unknown = failures[0]?.reason;
    const refused = reason instanceof Error ? `; ${failures.length} failed: ${reason.message}` : "";
    show({ text: `${done}${refused}.`, ...(undo && { undo }) });
    onClear();
  }

  async function archive(chosen: readonly Session[], isArchived: boolean): Promise<void> {
    await forEach(
      chosen,
      isArchived ? "archived" : "unarchived",
      async ({ session_id }) => learn(await archiveSession(session_id, isArchived)),
      isArchived ? () => void archive(chosen, false) : undefined,
    );
  }

  async function remove(): Promise<void> {
    setDeleting(false);
    await forEach(sessions, "deleted", async ({ session_id }) => {
      await deleteSession(session_id, false);
      forget(session_id);
    });
  }

  return (
    <section className="selection-bar" aria-label="Selected sessions">
      <strong>{plural(sessions.length, "session")} selected</strong>
      <button
        type="button"
        className="button"
        disabled={running.length === 0}
        onClick={() => void forEach(running, "asked to stop", requestStop)}
      >
        Stop {running.length > 0 && running.length}
      </button>
      <button type="button" className="button" onClick={() => void archive(sessions, true)}>
        Archive
      </button>
      <button type="button" className="button danger" onClick={() => setDeleting(true)}>
        Delete…
      </button>
      <button type="button" className="button quiet" onClick={onClear}>
        Clear
      </button>
      {isDeleting && (
        <Dialog
          title={`Delete ${plural(sessions.length, "session")}?`}
          onClose={() => setDeleting(false)}
          actions={
            <button type="button" className="button danger" onClick={() => void remove()}>
              Delete {plural(sessions.length, "session")}
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
