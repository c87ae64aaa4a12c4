import { getResult } from "../api/routes";
import { useNow } from "../hooks/use-now";
import { goTo } from "../hooks/use-route";
import { questionOf, subjectOf } from "../question";
import type { NowRow } from "../state/lists/now";
import { sessionLink } from "../text/address/route";
import { isSeeable, reasonOf } from "../text/attention";
import { cost, hasCost, shortPath } from "../text/format";
import { childrenWords } from "../text/session-row";
import { resumeCommand } from "../text/shell";
import { oneLine } from "../text/visible";
import { CopyButton } from "../ui/copy-button";
import { Icon, type IconName } from "../ui/icons";
import { Moment } from "../ui/moment";
import { Line } from "../ui/text";
import { type AttentionKind, isRunning, type OpenQuestion, type Session, takesRequests } from "../wire";
import { Changes } from "./changes";
import { Peek } from "./peek";
import { RowMenu } from "./row-menu";
import { useNewestCall } from "./use-newest-call";

export type RowKind = AttentionKind | "running";

const KINDS: Readonly<
  Record<RowKind, { readonly icon: IconName; readonly words: string; readonly title: string }>
> = {
  asks: { icon: "waiting", words: "asks", title: "It waits for your answer" },
  failed: { icon: "failed", words: "failed", title: "Its newest run failed, was lost or reached a limit" },
  denied: { icon: "denied", words: "denied", title: "It ended well, but tool calls were denied" },
  quiet: { icon: "unknown", words: "quiet", title: "It is running, and nothing has arrived for long" },
  question: { icon: "lost", words: "question", title: "It ended, perhaps with a question" },
  done: { icon: "finished", words: "done", title: "It ended well since you looked" },
  running: { icon: "running", words: "running", title: "It is running" },
};

export interface RowActs {
  onPeek(session: Session): void;
  onSelect(session: Session): void;
  onSeen(row: NowRow): void;
  onStop(session: Session): void;
}

interface RowProps {
  readonly row: NowRow;
  readonly questions: readonly OpenQuestion[];
  readonly isOpen: boolean;
  readonly isSelected: boolean;
  readonly acts: RowActs;
}

/** One session on the page Now: who, why, since when, and what to do. */
export function Row({ row, questions, isOpen, isSelected, acts }: RowProps) {
  const { session, isSeen } = row;
  const kind: RowKind = session.attention?.kind ?? "running";
  const { icon, words, title } = KINDS[kind];
  const name = oneLine(session.session_name);
  const children = childrenWords(session)?.words;
  const isCounting = isRunning(session) && session.executor !== "command";
  return (
    <li
      className={`now-row kind-${kind} ${isSeen ? "is-seen" : ""} ${isSelected ? "is-selected" : ""}`}
      tabIndex={-1}
      data-session-id={session.session_id}
      data-kind={kind}
      data-testid="now-row"
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget) return;
        if (event.key === "Enter") goTo(sessionLink(session.session_id));
        else if (event.key === " ") acts.onPeek(session);
        else return;
        event.preventDefault();
      }}
    >
      <input
        type="checkbox"
        aria-label={`Select ${name}`}
        checked={isSelected}
        onChange={() => acts.onSelect(session)}
      />
      <span className="now-kind" title={title}>
        <Icon name={icon} />
        <span className="visually-hidden">{isSeen ? `${words}, seen` : words}</span>
      </span>
      <a className="now-name" href={sessionLink(session.session_id)} title={name}>
        <Line text={session.session_name} />
      </a>
      <span className="now-project">
        {session.project_dir && (
          <Line text={lastPart(session.project_dir)} title={oneLine(session.project_dir)} />
        )}
      </span>
      <span className="now-reason">
        {kind === "running" ? (
          <NewestCall session={session} />
        ) : (
          <Reason session={session} {...(questions[0] && { question: questions[0] })} />
        )}
        {children && <span className="now-children"> · {children}</span>}
      </span>
      <span className="now-cost number">
        {kind === "done" && <Changes session={session} />}{" "}
        {(hasCost(session.usage) || isCounting) && cost(session.usage, isCounting)}
      </span>
      <span className="now-age number">
        <Moment
          at={kind === "running" ? session.started_at : (session.attention?.since ?? session.started_at)}
        />
      </span>
      <span className="now-acts">
        <MainAct row={row} name={name} isOpen={isOpen} acts={acts} />
        <RowMenu
          session={session}
          name={name}
          isSeen={isSeen}
          onSeen={isSeeable(session) ? () => acts.onSeen(row) : null}
          onStop={() => acts.onStop(session)}
        />
      </span>
      {isOpen && <Peek session={session} questions={questions} />}
    </li>
  );
}

function Reason({ session, question }: { session: Session; question?: OpenQuestion }) {
  const now = useNow();
  const text = reasonOf(session, now, question);
  return <Line text={text} title={text} />;
}

function NewestCall({ session }: { session: Session }) {
  const call = useNewestCall(session);
  if (call === null) return <span className="quiet-text">no tool call yet</span>;
  const text = subjectOf(questionOf(call.wire));
  return <Line text={text} title={text} />;
}

function MainAct({ row, name, isOpen, acts }: { row: NowRow; name: string; isOpen: boolean; acts: RowActs }) {
  const { session } = row;
  const resume = (
    <CopyButton
      label="Resume…"
      title={`Resume…: copies the command for ${name}`}
      text={resumeCommand(session)}
      icon="terminal"
    />
  );
  switch (session.attention?.kind) {
    case "asks":
      return (
        <button
          type="button"
          className="button primary"
          aria-expanded={isOpen}
          aria-label={`Answer… ${name}`}
          onClick={() => acts.onPeek(session)}
        >
          Answer…
        </button>
      );
    case "failed":
    case "denied":
    case "question":
      return resume;
    case "done":
      return (
        <CopyButton
          label="Copy result"
          title={`Copy result of ${name}`}
          text={() => getResult(session.session_id)}
        />
      );
    default:
      return takesRequests(session) ? (
        <button
          type="button"
          className="button quiet"
          aria-label={`Stop… ${name}`}
          onClick={() => acts.onStop(session)}
        >
          <Icon name="stopped" />
          Stop…
        </button>
      ) : null;
  }
}

function lastPart(path: string): string {
  return path.split("/").findLast(Boolean) ?? shortPath(path);
}
