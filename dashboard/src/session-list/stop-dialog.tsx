import { plural } from "../text/format";
import { oneLine } from "../text/visible";
import { Dialog } from "../ui/dialog";
import type { Session } from "../wire";

interface StopDialogProps {
  readonly sessions: readonly Session[];
  onStop(): void;
  onClose(): void;
}

/** Asks before a key stops sessions. */
export function StopDialog({ sessions, onStop, onClose }: StopDialogProps) {
  const [first] = sessions;
  const what =
    sessions.length === 1 && first ? oneLine(first.session_name) : plural(sessions.length, "session");
  return (
    <Dialog
      title={`Stop ${what}?`}
      onClose={onClose}
      actions={
        <button type="button" className="button primary" onClick={onStop}>
          Stop {plural(sessions.length, "session")}
        </button>
      }
    >
      <p>A stopped session can be resumed.</p>
    </Dialog>
  );
}
