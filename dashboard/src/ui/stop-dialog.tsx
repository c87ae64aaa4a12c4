import { plural } from "../text/format";
import { oneLine } from "../text/visible";
import type { Session } from "../wire";
import { Dialog } from "./dialog";
import { Line } from "./text";

interface StopDialogProps {
  readonly sessions: readonly Session[];
  onStop(sessions: readonly Session[]): unknown;
  onClose(): void;
}

/** Asks before it stops runs, and lists them. */
export function StopDialog({ sessions, onStop, onClose }: StopDialogProps) {
  const [only] = sessions.length === 1 ? sessions : [];
  return (
    <Dialog
      title={only ? `Stop “${oneLine(only.session_name)}”?` : `Stop ${plural(sessions.length, "run")}?`}
      onClose={onClose}
      actions={
        <button
          type="button"
          className="button danger"
          onClick={() => {
            onClose();
            onStop(sessions);
          }}
        >
          {only ? `Stop run ${only.run}` : `Stop all ${sessions.length}`}
        </button>
      }
    >
      {!only && (
        <ul className="stop-list">
          {sessions.map((session) => (
            <li key={session.session_id}>
              <Line text={session.session_name} />
            </li>
          ))}
        </ul>
      )}
      <p>The agent is interrupted. The session stays and can be resumed.</p>
    </Dialog>
  );
}
