import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { explain, hasCode } from "../../api/errors";
import {
  archiveSession,
  deleteSession,
  exportSession,
  getResult,
  markSeen,
  requestStop,
} from "../../api/routes";
import { useSessionsFeed } from "../../feed/sessions-feed-provider";
import { seekBeside } from "../../hooks/seek-beside";
import { useSessionPlace } from "../../hooks/session-place";
import { byHandCommand, forkCommand, resumeCommand } from "../../text/shell";
import { oneLine, visible } from "../../text/visible";
import { CopyButton, useCopy } from "../../ui/copy-button";
import { Dialog } from "../../ui/dialog";
import { Icon } from "../../ui/icons";
import { Menu, MenuItem } from "../../ui/menu";
import { useToasts } from "../../ui/toasts";
import { isRunning, type Session, takesRequests } from "../../wire";
import { ExportSession } from "./export-session";

interface SessionActionsProps {
  readonly session: Session;
  onChange(session: Session): void;
  onPrint(): void;
  onRename(): void;
  /** Null if the session takes no messages. */
  readonly onTell: (() => void) | null;
}

export function SessionActions(props: SessionActionsProps) {
  const { session, onPrint, onRename, onTell } = props;
  const [isDeleting, setDeleting] = useState(false);
  const [isExporting, setExporting] = useState(false);
  const isOpen = isRunning(session);
  return (
    <div className="acts" role="toolbar" aria-label="Acts on this session">
      {onTell && (
        <button type="button" className="button" title="Tell the agent something (t)" onClick={onTell}>
          Tell…
        </button>
      )}
      {takesRequests(session) ? <Stop session={session} /> : <ResumeMenu session={session} />}
      {!isOpen && <CopyButton label="Copy result" text={() => getResult(session.session_id)} />}
      <Menu label="More acts" icon="more">
        <MenuItem label="Open beside…" onChoose={() => seekBeside(session)} />
        <CopyMarkdown session={session} />
        <MenuItem label="Export…" onChoose={() => setExporting(true)} />
        <MenuItem label="Print" onChoose={onPrint} />
        <MenuItem label="Rename" onChoose={onRename} />
        <ArchiveItem {...props} />
        <UnseenItem {...props} />
        <MenuItem label="Delete…" isDangerous onChoose={() => setDeleting(true)} />
      </Menu>
      {isExporting && <ExportSession session={session} onClose={() => setExporting(false)} />}
      {isDeleting && <DeleteDialog session={session} onClose={() => setDeleting(false)} />}
    </div>
  );
}

/** The commands that continue the session, to copy: agents are started from the person's own shell. */
function ResumeMenu({ session }: { session: Session }) {
  const copy = useCopy();
  const byHand = byHandCommand(session);
  const items: readonly (readonly [string, string])[] = [
    ["Copy the command", resumeCommand(session)],
    ["Copy it for a fork", forkCommand(session)],
    ...(byHand ? ([["Copy it for Claude Code", byHand]] as const) : []),
  ];
  return (
    <Menu label="Resume">
      {items.map(([label, text]) => (
        <MenuItem key={label} label={label} hint={visible(text)} onChoose={() => void copy(text)} />
      ))}
    </Menu>
  );
}

function CopyMarkdown({ session }: { session: Session }) {
  const copy = useCopy();
  const text = async () => (await exportSession(session.session_id, "markdown")).text();
  return <MenuItem label="Copy as Markdown" onChoose={() => void copy(text)} />;
}

function UnseenItem({ session, onChange }: SessionActionsProps) {
  const { show } = useToasts();
  const unsee = useMutation({
    mutationFn: () => markSeen(session.session_id, session.run - 1),
    onSuccess(changed) {
      onChange(changed);
      show({ text: "Marked as unseen." });
    },
    onError: (error) => show({ text: explain(error) }),
  });
  if (isRunning(session)) return null;
  return <MenuItem label="Mark as unseen" onChoose={() => unsee.mutate()} />;
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

function ArchiveItem({ session, onChange }: SessionActionsProps) {
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
    <MenuItem label={isArchived ? "Unarchive" : "Archive"} onChoose={() => archive.mutate(!isArchived)} />
  );
}

function DeleteDialog({ session, onClose }: { session: Session; onClose(): void }) {
  const { show } = useToasts();
  const { forget } = useSessionsFeed();
  const { leave } = useSessionPlace();
  const name = oneLine(session.session_name);
  const remove = useMutation({
    mutationFn: (force: boolean) => deleteSession(session.session_id, force),
    onSuccess() {
      forget(session.session_id);
      show({ text: `Deleted “${name}”.` });
      leave();
    },
  });
  const isHeld = hasCode(remove.error, "session_running");
  return (
    <Dialog
      title={`Delete “${name}”?`}
      onClose={onClose}
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
  );
}
