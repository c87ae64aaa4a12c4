import { useQuery } from "@tanstack/react-query";
import { Fragment, lazy } from "react";
import { explain, hasCode } from "../api/errors";
import { getResult } from "../api/routes";
import { useNow } from "../hooks/use-now";
import { useRuns } from "../session-page/parts/use-runs";
import {
  type Compared,
  type ComparedLine,
  comparedFiles,
  comparedLines,
  isRead,
  NOT_KNOWN,
  wordsOfFile,
} from "../state/comparison";
import type { Outline } from "../state/session/outline";
import { partLink, sessionLink } from "../text/address/route";
import { duration } from "../text/format";
import { visible } from "../text/visible";
import { Late } from "../ui/late";
import { Line } from "../ui/text";
import { commandOf, isRunning, type Session } from "../wire";

const EditDiff = lazy(() =>
  import("../session-page/content/edit-diff").then((module) => ({ default: module.EditDiff })),
);

interface Side {
  readonly session: Session;
  readonly outline: Outline;
}

/** Two sessions in a table, with their last answers as a difference. */
export function Compare({ left, right }: { left: Side; right: Side }) {
  const now = useNow();
  const sides = [useCompared(left), useCompared(right)] as const;
  const isWhole = sides.every(isRead);
  const files = comparedFiles(sides);
  const titles = titlesOf(sides);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="part-scroll compare" tabIndex={0} aria-label="Comparison">
      {!isWhole && <p role="status">Reading the events …</p>}
      <table className="runs compared">
        <caption className="visually-hidden">
          {titles.join(" and ")}; ≠ marks the lines in which they differ
        </caption>
        <thead>
          <tr>
            <td />
            {sides.map(({ session }, place) => (
              <th key={session.session_id} scope="col">
                <a href={sessionLink(session.session_id)}>
                  <Line text={titles[place] ?? ""} />
                </a>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {comparedLines(sides, now, duration).map((line) => (
            <Row key={line.name} line={line} />
          ))}
        </tbody>
        {files.length > 0 && (
          <tbody>
            {files.map(({ path, files: [one, other], isDifferent }) => (
              <tr key={path} className={isDifferent ? "is-different" : ""}>
                <Heading isDifferent={isDifferent}>
                  <bdi className="changed-path">
                    {visible(path)
                      .split(/(?<=\/)/)
                      .map((part, place) => (
                        // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one path never change their places
                        <Fragment key={place}>
                          {part}
                          <wbr />
                        </Fragment>
                      ))}
                  </bdi>
                </Heading>
                {[one, other].map((file, place) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the sides never change their places
                  <td key={place} className="number">
                    {file ? (
                      <a href={partLink(sides[place]?.session.session_id ?? "", "changes")}>
                        {wordsOfFile(file)}
                      </a>
                    ) : (
                      <span className="quiet-text">not changed</span>
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        )}
      </table>
      <Answers left={left.session} right={right.session} titles={titles} />
    </section>
  );
}

/** Return the names, or the ids of sessions with the same name. */
function titlesOf(sides: readonly [Side, Side]): readonly [string, string] {
  const [one, other] = [sides[0].session, sides[1].session];
  return one.session_name === other.session_name
    ? [one.session_id, other.session_id]
    : [one.session_name, other.session_name];
}

function useCompared(side: Side): Compared {
  const runs = useRuns(side.session);
  const program = side.session.executor === "command" ? commandOf(runs.at(-1) ?? { spec: null }) : [];
  return { ...side, program };
}

function Row({ line: { name, words, isDifferent } }: { line: ComparedLine }) {
  return (
    <tr className={isDifferent ? "is-different" : ""}>
      <Heading isDifferent={isDifferent === true}>{name}</Heading>
      {words.map((each, place) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the sides never change their places
        <td key={place} className="number">
          {each === null ? <span className="quiet-text">{NOT_KNOWN}</span> : <bdi>{visible(each)}</bdi>}
        </td>
      ))}
    </tr>
  );
}

function Heading({ isDifferent, children }: { isDifferent: boolean; children: React.ReactNode }) {
  return (
    <th scope="row">
      <span className="compared-mark" aria-hidden="true">
        {isDifferent && "≠"}
      </span>
      {isDifferent && <span className="visually-hidden">differs: </span>}
      {children}
    </th>
  );
}

interface AnswersProps {
  readonly left: Session;
  readonly right: Session;
  readonly titles: readonly [string, string];
}

/** The last answers of two sessions: what only one of them has is marked by a sign. */
function Answers({ left, right, titles }: AnswersProps) {
  const [one, other] = [useAnswer(left), useAnswer(right)];
  const [before, after] = [one.text, other.text];
  const problems = [one, other].flatMap(({ problem }, place) =>
    problem === null ? [] : [`${visible(titles[place] ?? "")}: ${problem}`],
  );
  return (
    <section aria-label="Last answers" className="compared-answers">
      <h2>Last answers</h2>
      {problems.map((problem) => (
        <p key={problem} className="quiet-text">
          {problem}
        </p>
      ))}
      {before !== null && after !== null && before === after && <p>Both answers are the same.</p>}
      {(before !== null || after !== null) && (
        <>
          {before !== after && (
            <p className="quiet-text">
              <b>−</b> only in <Line text={titles[0]} />, <b>+</b> only in <Line text={titles[1]} />
            </p>
          )}
          <Late fallback={<div className="placeholder" />}>
            <EditDiff before={linesOf(before)} after={linesOf(after)} />
          </Late>
        </>
      )}
    </section>
  );
}

/** Return a text whose last line ends like all others: else it would differ from the same line in a longer text. */
function linesOf(text: string | null): string {
  return text ? `${text}\n` : "";
}

/** Load the answer of the newest run, or say why it is missing. */
function useAnswer(session: Session): { readonly text: string | null; readonly problem: string | null } {
  const { session_id, generation, run, state, last_seq } = session;
  const isOpen = isRunning(session);
  const query = useQuery({
    queryKey: ["result", session_id, generation, run, state, last_seq],
    queryFn: () => getResult(session_id),
    enabled: !isOpen,
    placeholderData: (before) => before,
  });
  if (isOpen) return { text: null, problem: "no answer yet: it is running" };
  if (hasCode(query.error, "no_result")) return { text: null, problem: "the newest run has no answer" };
  return { text: query.data ?? null, problem: query.error && explain(query.error) };
}
