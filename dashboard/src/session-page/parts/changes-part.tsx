import { useQuery } from "@tanstack/react-query";
import { lazy, useMemo, useState } from "react";
import {
  attempts,
  type ChangedFile,
  changedFiles,
  type FileEdit,
  linesOf,
  pathIn,
} from "../../state/session/changed-files";
import { type Outline, seqOf } from "../../state/session/outline";
import { sessionLink } from "../../text/address/route";
import { plural } from "../../text/format";
import { oneLine, visible } from "../../text/visible";
import { CopyButton } from "../../ui/copy-button";
import { Icon } from "../../ui/icons";
import { Late } from "../../ui/late";
import { LineCounts } from "../../ui/line-counts";
import { PlainText } from "../../ui/text";
import type { OutlineEntry, Session } from "../../wire";
import { type LoadedEdit, loadEdit, loadPatch } from "./load-edit";

const EditDiff = lazy(() => import("../content/edit-diff").then((module) => ({ default: module.EditDiff })));
const FileText = lazy(() => import("../content/file-text"));
const OPEN_FILES = 3;
const EDITS_AT_ONCE = 20;

/** What the session has changed, file by file, as far as its calls say it. */
export function ChangesPart({ session, outline }: { session: Session; outline: Outline }) {
  const { session_id: sessionId, project_dir: project } = session;
  const files = useMemo(() => changedFiles(outline.entries), [outline.entries]);
  const others = useMemo(() => attempts(outline.entries), [outline.entries]);
  const patch = async () => {
    const parts: string[] = [];
    for (const { path, edits } of files) {
      parts.push(
        await loadPatch(
          sessionId,
          pathIn(project, path),
          edits.map(({ entry }) => entry),
        ),
      );
    }
    return parts.join("");
  };
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="part-scroll changes" tabIndex={0} aria-label="Changed files">
      <div className="changes-head">
        <h2>
          {files.length === 0 ? "No call has named a file that it changed." : plural(files.length, "file")}
        </h2>
        {files.length > 0 && (
          <>
            <LineCounts lines={linesOf(files)} />
            <CopyButton label="Copy as patch" text={patch} />
          </>
        )}
      </div>
      {outline.commands > 0 && (
        <p className="quiet-text">
          {`By ${plural(outline.commands, "shell command")}: not known. A command can change files without naming them.`}
        </p>
      )}
      {outline.through < session.last_seq && <p role="status">Reading the events …</p>}
      {files.map((file, place) => (
        <File key={file.path} session={session} file={file} isOpenAtFirst={place < OPEN_FILES} />
      ))}
      {others.length > 0 && (
        <section aria-label="Not done">
          <h2>Not done</h2>
          <p className="quiet-text">These calls failed or were denied, and changed nothing.</p>
          <ul className="attempts">
            {others.map((entry) => (
              <Attempt key={entry.seq} session={session} entry={entry} />
            ))}
          </ul>
        </section>
      )}
    </section>
  );
}

interface FileProps {
  readonly session: Session;
  readonly file: ChangedFile;
  readonly isOpenAtFirst: boolean;
}

function File({ session, file, isOpenAtFirst }: FileProps) {
  const [isOpen, setOpen] = useState(isOpenAtFirst);
  const [shown, setShown] = useState(EDITS_AT_ONCE);
  const path = pathIn(session.project_dir, file.path);
  return (
    <section className="changed-file" aria-label={visible(path)} data-testid="changed-file">
      <h3>
        <button type="button" className="fold-line" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          <Icon name="chevron" className={`fold-mark ${isOpen ? "is-open" : ""}`} />
          <bdi className="changed-path">{visible(path)}</bdi>
          <LineCounts lines={file} />
          <span className="quiet-text number">{plural(file.edits.length, "edit")}</span>
        </button>
      </h3>
      {isOpen && (
        <ol>
          {file.edits.slice(0, shown).map((edit) => (
            <Edit key={edit.entry.seq} session={session} edit={edit} path={file.path} />
          ))}
        </ol>
      )}
      {isOpen && shown < file.edits.length && (
        <button type="button" className="show-all below" onClick={() => setShown(shown + 5 * EDITS_AT_ONCE)}>
          {`Show more of ${plural(file.edits.length, "edit")}`}
        </button>
      )}
    </section>
  );
}

function Edit({ session, edit, path }: { session: Session; edit: FileEdit; path: string }) {
  const { entry } = edit;
  const query = useQuery({
    queryKey: ["edit", session.session_id, session.generation, entry.seq],
    queryFn: ({ signal }) => loadEdit(session.session_id, entry, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
  const seq = seqOf(entry);
  return (
    <li className="file-edit">
      <p>
        <a href={sessionLink(session.session_id, seq)} className="number" title={`Go to event ${seq}`}>
          {seq}
        </a>{" "}
        <span className="quiet-text">{oneLine(entry.text?.split(" ")[0] ?? "")}</span>{" "}
        <LineCounts lines={{ ...edit, isMore: false }} />
      </p>
      {query.isError && <p className="problem">The edit could not be loaded.</p>}
      {query.data ? (
        <Changed edit={query.data} path={path} />
      ) : (
        !query.isError && <div className="placeholder" />
      )}
    </li>
  );
}

function Changed({ edit, path }: { edit: LoadedEdit; path: string }) {
  switch (edit.kind) {
    case "edits":
      return (
        <Late fallback={<div className="placeholder" />}>
          {edit.edits.map(({ before, after }, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the edits of one call never change their places
            <EditDiff key={place} before={before} after={after} />
          ))}
        </Late>
      );
    case "file":
      return (
        <Late fallback={<div className="placeholder" />}>
          <FileText path={path} text={edit.text} />
        </Late>
      );
    case "diff":
      return <PlainText text={edit.text} />;
    case "unknown":
      return <p className="quiet-text">The call does not say what it changed.</p>;
  }
}

function Attempt({ session, entry }: { session: Session; entry: OutlineEntry }) {
  const seq = seqOf(entry);
  const isDenied = entry.kind === "denial";
  return (
    <li className="attempt">
      <Icon name={isDenied ? "denied" : "failed"} />
      <a href={sessionLink(session.session_id, seq)} className="number" title={`Go to event ${seq}`}>
        {seq}
      </a>
      <span>{isDenied ? "denied" : "failed"}</span>
      <bdi className="changed-path">
        {entry.files.map(({ path }) => visible(pathIn(session.project_dir, path))).join(", ")}
      </bdi>
      {entry.error && <bdi className="quiet-text">{oneLine(entry.error)}</bdi>}
    </li>
  );
}
