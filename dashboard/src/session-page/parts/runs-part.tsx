import { useNow } from "../../hooks/use-now";
import type { Outline } from "../../state/session/outline";
import { sessionLink } from "../../text/address/route";
import { compactNumber, cost, duration, fullTime, hasCost } from "../../text/format";
import { NumberHeading } from "../../ui/number-heading";
import { Line } from "../../ui/text";
import type { Session } from "../../wire";
import { secondsOf, useRuns } from "./use-runs";

/** All runs of a session, the newest first. */
export function RunsPart({ session, outline }: { session: Session; outline: Outline }) {
  const runs = useRuns(session);
  const now = useNow();
  const firsts = new Map<number, number>();
  for (const { run, seq } of outline.entries) if (!firsts.has(run)) firsts.set(run, seq);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="part-scroll" tabIndex={0} aria-label="List of runs">
      <table className="runs wide-runs">
        <thead>
          <tr>
            <th scope="col">Run</th>
            <th scope="col">End</th>
            <th scope="col">Began</th>
            <NumberHeading>Took</NumberHeading>
            <NumberHeading>Tokens in</NumberHeading>
            <NumberHeading>Tokens out</NumberHeading>
            <NumberHeading>Cost</NumberHeading>
            <th scope="col">Host</th>
          </tr>
        </thead>
        <tbody>
          {runs.toReversed().map((run) => {
            const first = firsts.get(run.run);
            const { usage } = run;
            return (
              <tr key={run.run}>
                <th scope="row">
                  {first === undefined ? (
                    run.run
                  ) : (
                    <a href={sessionLink(session.session_id, first)}>Run {run.run}</a>
                  )}
                </th>
                <td>
                  {run.reason ?? "running"}
                  {run.exit_code !== null && run.exit_code !== 0 && ` (exit code ${run.exit_code})`}
                </td>
                <td>
                  <time dateTime={run.started_at}>{fullTime(run.started_at)}</time>
                </td>
                <td className="number">{duration(secondsOf(run, now))}</td>
                <td className="number">
                  {compactNumber(usage.input_tokens + usage.cache_read_tokens + usage.cache_creation_tokens)}
                </td>
                <td className="number">{compactNumber(usage.output_tokens)}</td>
                <td className="number">{hasCost(usage) ? cost(usage) : ""}</td>
                <td>{run.host && <Line text={run.host} />}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
