import { useMemo } from "react";
import { useSessions } from "../feed/use-sessions";
import { addressOf, sessionLink } from "../text/address/route";
import { cost, fullTime, wholeNumber } from "../text/format";
import { commandsFor } from "../text/shell";
import { ChildrenStates } from "../ui/children-states";
import { CommandLine } from "../ui/command-line";
import { CopyButton } from "../ui/copy-button";
import { Moment } from "../ui/moment";
import { StateBadge } from "../ui/state-badge";
import { Line } from "../ui/text";
import { defaultFilter, type Session, type SessionFilter, type Usage } from "../wire";

export function Facts({ session }: { session: Session }) {
  const { usage } = session;
  return (
    <div className="facts" data-testid="facts">
      <dl>
        {session.children_failed + session.children_running > 0 && (
          <Fact label="Child sessions">
            <ChildrenStates session={session} />
          </Fact>
        )}
        {session.undelivered_notices > 0 && (
          <Fact label="Notices">
            {wholeNumber(session.undelivered_notices)} not told yet
            {session.notices_held && ` (held until the next resume: ${session.notices_held})`}
          </Fact>
        )}
        {session.exit_code !== null && <Fact label="Exit code">{session.exit_code}</Fact>}
        <TextFact label="Project" text={session.project_dir} />
        <TextFact label="Host" text={session.host} />
        <TextFact label="Agent" text={session.agent} />
        <TextFact label="Executor" text={session.executor} />
        <Fact label="Created">
          <time dateTime={session.created_at}>{fullTime(session.created_at)}</time>
        </Fact>
        <Fact label="Last activity">
          <Moment at={session.last_activity_at} />
        </Fact>
        <Fact label="Events">{wholeNumber(session.last_seq)}</Fact>
        {session.masked_secrets > 0 && (
          <Fact label="Masked secrets">{wholeNumber(session.masked_secrets)}</Fact>
        )}
        {session.parent_session_id && (
          <Fact label="Parent">
            <a href={sessionLink(session.parent_session_id)}>
              <Line text={session.parent_session_id} />
            </a>
          </Fact>
        )}
        {session.forked_from && (
          <Fact label="Copy of">
            <a href={sessionLink(session.forked_from.session_id)}>
              <Line text={session.forked_from.session_id} />
            </a>
          </Fact>
        )}
        {session.source && (
          <Fact label="Imported from">
            <Line text={session.source.path} />
            {session.source.gone && <span> (no longer exists)</span>}
          </Fact>
        )}
        <Fact label="Id">
          <code className="id">{session.session_id}</code>
          <CopyButton label="Copy the id" text={session.session_id} isCompact />
          <CopyButton
            label="Copy a link to this session"
            text={addressOf(sessionLink(session.session_id))}
            isCompact
            icon="link"
          />
        </Fact>
      </dl>
      <UsageFacts usage={usage} />
      {session.child_count > 0 && <Children session={session} />}
      <h2>In a terminal</h2>
      {commandsFor(session).map(({ purpose, text }) => (
        <CommandLine key={purpose} purpose={purpose} text={text} />
      ))}
    </div>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="fact">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function TextFact({ label, text }: { label: string; text: string | null }) {
  return <Fact label={label}>{text ? <Line text={text} /> : <span className="nothing">–</span>}</Fact>;
}

const USAGE_WORDS: readonly (readonly [
  Exclude<keyof Usage, "cost_microdollars" | "unpriced_tokens">,
  string,
])[] = [
  ["input_tokens", "Input"],
  ["output_tokens", "Output"],
  ["cache_read_tokens", "Cache read"],
  ["cache_creation_tokens", "Cache write"],
];

function UsageFacts({ usage }: { usage: Usage }) {
  const isKnown = Object.values(usage).some((count) => count > 0);
  if (!isKnown) return null;
  return (
    <>
      <h2>Tokens and cost</h2>
      <dl>
        {USAGE_WORDS.map(([kind, word]) => (
          <Fact key={kind} label={word}>
            <span className="number">{wholeNumber(usage[kind])}</span>
          </Fact>
        ))}
        <Fact label="Cost">
          <strong className="number">{cost(usage)}</strong>
        </Fact>
      </dl>
    </>
  );
}

const CHILDREN_MS = 5000;

function Children({ session }: { session: Session }) {
  const filter = useMemo<SessionFilter>(
    () => ({ ...defaultFilter, archived: "all", parent_session_id: session.session_id }),
    [session.session_id],
  );
  const children = useSessions(filter, CHILDREN_MS);
  return (
    <>
      <h2>Children</h2>
      <ul className="children">
        {children.sessions.map((child) => (
          <li key={child.session_id}>
            <StateBadge state={child.state} />
            <a href={sessionLink(child.session_id)}>
              <Line text={child.session_name} />
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}
