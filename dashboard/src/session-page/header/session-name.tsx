import { useMutation } from "@tanstack/react-query";
import { explain } from "../../api/errors";
import { renameSession } from "../../api/routes";
import { Icon } from "../../ui/icons";
import { Line } from "../../ui/text";
import type { Session } from "../../wire";

interface SessionNameProps {
  readonly session: Session;
  /** The new name as far as it is typed; null if it is not being renamed. */
  readonly draft: string | null;
  setDraft(draft: string | null): void;
  onChange(session: Session): void;
}

export function SessionName({ session, draft, setDraft, onChange }: SessionNameProps) {
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
            onKeyDown={(event) => {
              if (event.key === "Escape") setDraft(null);
            }}
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
    </div>
  );
}
