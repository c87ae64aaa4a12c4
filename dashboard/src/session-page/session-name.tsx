import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { explain } from "../api/errors";
import { renameSession } from "../api/routes";
import { Icon } from "../ui/icons";
import { RunDuration, StateBadge } from "../ui/state-badge";
import { Line } from "../ui/text";
import type { Session } from "../wire";

export function SessionName({
  session,
  onChange,
}: {
  session: Session;
  onChange: (session: Session) => void;
}) {
  const [draft, setDraft] = useState<string | null>(null);
  const rename = useMutation({
    mutationFn: (name: string) => renameSession(session.session_id, name),
    onSuccess(renamed) {
      onChange(renamed);
      setDraft(null);
    },
  });

  function save(): void {
    const name = draft?.trim() ?? "";
    if (name === "" || name === session.session_name) setDraft(null);
    else rename.mutate(name);
  }

  return (
    <div className="session-title">
      {draft === null ? (
        <h1>
          <Line text={session.session_name} />
          <button
            type="button"
            className="icon-button"
            aria-label="Rename"
            title="Rename"
            onClick={() => {
              rename.reset();
              setDraft(session.session_name);
            }}
          >
            <Icon name="pencil" />
          </button>
        </h1>
      ) : (
        <form
          className="rename"
          onSubmit={(event) => {
            event.preventDefault();
            save();
          }}
        >
          <input
            aria-label="Name"
            // biome-ignore lint/a11y/noAutofocus: the reader has just asked to type here
            autoFocus
            value={draft}
            maxLength={200}
            dir="auto"
            onChange={(event) => setDraft(event.target.value)}
            onKeyDown={(event) => event.key === "Escape" && setDraft(null)}
          />
          <button type="submit" className="button primary" disabled={rename.isPending}>
            Save
          </button>
          <button type="button" className="button quiet" onClick={() => setDraft(null)}>
            Cancel
          </button>
          {rename.error && (
            <span className="problem" role="alert">
              {explain(rename.error)}
            </span>
          )}
        </form>
      )}
      <span className="session-state">
        <StateBadge state={session.state} />
        <span className="number quiet-text">
          <RunDuration session={session} />
        </span>
        {session.archived_at && <span className="tag">archived</span>}
      </span>
    </div>
  );
}
