import { explain } from "../api/errors";
import { requestStop } from "../api/routes";
import { plural } from "../text/format";
import { oneLine } from "../text/visible";
import { Dialog } from "../ui/dialog";
import { Line } from "../ui/text";
import { useToasts } from "../ui/toasts";
import type { Session } from "../wire";

interface StopDialogProps {
  readonly sessions: readonly Session[];
  onClose(): void;
}

/** Asks before it stops runs, and lists them. */
export function StopDialog({ sessions, onClose }: StopDialogProps) {
  const { show } = useToasts();
  const [only] = sessions.length === 1 ? sessions : [];
  const title = only ? `Stop “${oneLine(only.session_name)}”?` : `Stop ${plural(sessions.length, "run")}?`;

  async function stop(): Promise<void> {
    onClose();
    const outcomes = await Promise.allSettled(sessions.map(requestStop));
    const refused = outcomes.find((outcome) => outcome.status === "rejected");
    const count = outcomes.filter(({ status }) => status === "fulfilled").length;
    const requested = `Stop requested for ${plural(count, "run")}. It may take a few seconds.`;
    show({ text: refused ? `${requested} Not stopped: ${explain(refused.reason)}` : requested });
  }

  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <button type="button" className="button danger" onClick={() => void stop()}>
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
