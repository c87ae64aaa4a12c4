import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { explain, hasCode } from "../api/errors";
import { archiveSession, deleteSession, getResult, requestStop } from "../api/routes";
import { watchSession } from "../hooks/end-notifications";
import { lastList } from "../hooks/left-place";
import { useSessionsFeed } from "../hooks/sessions-feed-provider";
import { goTo } from "../hooks/use-route";
import { onWatchedChange, setWatched, watchedSessions } from "../state/watched-sessions";
import { oneLine } from "../text/visible";
import { CopyButton } from "../ui/copy-button";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { useToasts } from "../ui/toasts";
import { isRunning, type Session, takesRequests } from "../wire";
import { ExportSession } from "./export-session";

interface SessionActionsProps {
  readonly session: Session;
  onChange(session: Session): void;
}

export function SessionActions({ session, onChange, onPrint }: SessionActionsProps & { onPrint(): void }) {
  const isOpen = isRunning(session);
  return (
    <div className="acts" role="toolbar" aria-label="Acts on this session">
      {isOpen && <Bell sessionId={session.session_id} />}
      {takesRequests(session) && <Stop session={session} />}
      {!isOpen && <CopyButton label="Copy result" text={() => getResult(session.session_id)} />}
      <button type="button" className="button quiet" title="Print the whole session" onClick={onPrint}>
        Print
      </button>
      <ExportSession session={session} />
      <Archive session={session} onChange={onChange} />
      <Delete session={session} />
    </div>
  );
}

function Bell({ sessionId }: { sessionId: string }) {
  const isWatched = useSyncExternalStore(onWatchedChange, watchedSessions).has(sessionId);
  return (
    <button
      type="button"
      className={`button quiet ${isWatched ? "is-on" : ""}`}
      aria-pressed={isWatched}
      title={isWatched ? "You will be notified when it ends" : "Notify me when it ends"}
      onClick={() => (isWatched ? setWatched(sessionId, false) : void watchSession(sessionId))}
    >
      <Icon name="bell" />
      <span>{isWatched ? "Watching" : "Notify me"}</span>
    </button>
  );
}

function Stop({ session }: { session: Session }) {
  const [isAsking, setAsking] = useState(false);
  const { show } = useToasts();
  // When the run has ended, this button disappears, and its toast must disappear too.
  const takeAway = useRef<(() => void) | null>(null);
  useEffect(() => () => takeAway.current?.(), []);
  const stop = useMutation({
    mutationFn: () => requestStop(session),
    onSuccess() {
      takeAway.current = show({ text: "Stop requested. It may take a few seconds." });
    },
    onError: (error) => show({ text: `Not stopped: ${explain(error)}` }),
  });
  return (
    <>
      <button
        type="button"
        className="button"
        disabled={stop.isPending || stop.isSuccess}
        onClick={() => setAsking(true)}
      >
        <Icon name="stopped" />
        <span>{stop.isSuccess ? "Stopping …" : "Stop"}</span>
      </button>
      {isAsking && (
        <Dialog
          title={`Stop “${oneLine(session.session_name)}”?`}
          onClose={() => setAsking(false)}
          actions={
            <button
              type="button"
              className="button danger"
              onClick={() => {
                setAsking(false);
                stop.mutate();
              }}
            >
              Stop run {session.run}
            </button>
          }
        >
          <p>The agent is interrupted. The session stays and can be resumed.</p>
        </Dialog>
      )}
    </>
  );
}

function Archive({ session, onChange }: SessionActionsProps) {
  const { show } = useToasts();
  const { learn } = useSessionsFeed();
  const isArchived = session.archived_at !== null;
  const archive = useMutation({
    mutationFn: (wanted: boolean) => archiveSession(session.session_id, wanted),
    onSuccess(changed, wanted) {
      onChange(changed);
      learn(changed);
      const text = wanted ? "Archived; its name is free again." : "Unarchived.";
      show({ text, undo: () => archive.mutate(!wanted) });
    },
    onError: (error) => show({ text: explain(error) }),
  });
  return (
    <button
      type="button"
      className="button quiet"
      disabled={archive.isPending}
      onClick={() => archive.mutate(!isArchived)}
    >
      <Icon name="archive" />
      <span>{isArchived ? "Unarchive" : "Archive"}</span>
    </button>
  );
}

function Delete({ session }: { session: Session }) {
  const [isAsking, setAsking] = useState(false);
  const { show } = useToasts();
  const { forget } = useSessionsFeed();
  const name = oneLine(session.session_name);
  const remove = useMutation({
    mutationFn: (force: boolean) => deleteSession(session.session_id, force),
    onSuccess() {
      forget(session.session_id);
      show({ text: `Deleted “${name}”.` });
      goTo(lastList());
    },
  });
  const isHeld = hasCode(remove.error, "session_running");
  return (
    <>
      <button
        type="button"
        className="button quiet danger"
        onClick={() => {
          remove.reset();
          setAsking(true);
        }}
      >
        <Icon name="trash" />
        <span>Delete…</span>
      </button>
      {isAsking && (
        <Dialog
          title={`Delete “${name}”?`}
          onClose={() => setAsking(false)}
          actions={
            <button
              type="button"
              className="button danger"
              disabled={remove.isPending}
              onClick={() => remove.mutate(isHeld)}
            >
              {isHeld ? "Delete anyway" : "Delete the session"}
            </button>
          }
        >
          <p>The session, its runs, events and transcripts are deleted. This cannot be undone.</p>
          {isHeld ? (
            <p className="problem" role="alert">
              {takesRequests(session)
                ? "The session is running. Its agent would continue without a session. Stop it first."
                : "A person works in the session, in a program of their own. End it there first."}
            </p>
          ) : (
            remove.error && (
              <p className="problem" role="alert">
                {explain(remove.error)}
              </p>
            )
          )}
        </Dialog>
      )}
    </>
  );
}
