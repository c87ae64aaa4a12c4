import { useRef } from "react";
import { getResult } from "../api/routes";
import { resumeCommand } from "../text/shell";
import { CopyButton } from "../ui/copy-button";
import { type Session, takesRequests } from "../wire";

interface RowMenuProps {
  readonly session: Session;
  readonly name: string;
  readonly isSeen: boolean;
  /** Mark its end as seen or unseen; null if there is no end to see. */
  readonly onSeen: (() => void) | null;
  onStop(): void;
}

/** Everything else that can be done with a session. */
export function RowMenu({ session, name, isSeen, onSeen, onStop }: RowMenuProps) {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => {
    if (menu.current?.open) menu.current.open = false;
  };
  return (
    <details
      ref={menu}
      className="row-menu"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) close();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        close();
        menu.current?.querySelector("summary")?.focus();
      }}
    >
      <summary aria-label={`More for ${name}`} title="More (.)">
        <span aria-hidden="true">⋯</span>
      </summary>
      <div className="row-menu-acts">
        {onSeen && (
          <button
            type="button"
            className="button quiet"
            onClick={() => {
              close();
              onSeen();
            }}
          >
            {isSeen ? "Mark as unseen" : "Mark as seen"}
          </button>
        )}
        <CopyButton label="Copy the resume command" text={resumeCommand(session)} icon="terminal" />
        {session.finished_at !== null && (
          <CopyButton label="Copy result" text={() => getResult(session.session_id)} />
        )}
        {takesRequests(session) && (
          <button
            type="button"
            className="button quiet"
            onClick={() => {
              close();
              onStop();
            }}
          >
            Stop…
          </button>
        )}
      </div>
    </details>
  );
}
