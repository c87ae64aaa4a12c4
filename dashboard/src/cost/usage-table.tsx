import { type CostLine, totalTokens } from "../state/usage";
import { type CostPlace, periodTokens } from "../text/address/cost-place";
import { sessionLink, sessionsLink } from "../text/address/route";
import { type TokenName, token } from "../text/address/session-query";
import { compactNumber, cost, hasCost, plural, wholeNumber } from "../text/format";
import { oneLine } from "../text/visible";
import { NumberHeading } from "../ui/number-heading";
import { Line } from "../ui/text";
import type { Usage, UsageAnswer, UsageRow } from "../wire";

const HEADINGS = {
  project: "Project",
  agent: "Agent",
  model: "Model",
  session: "Session",
  day: "Day",
} as const;

const TOKENS = [
  ["Input", "input_tokens", "Tokens that models read, without the cache"],
  ["Output", "output_tokens", "Tokens that models wrote"],
  ["Cache read", "cache_read_tokens", "Tokens that models read from the cache"],
  ["Cache write", "cache_creation_tokens", "Tokens that models wrote to the cache"],
] as const satisfies readonly (readonly [string, keyof Usage, string])[];

interface UsageTableProps {
  readonly place: CostPlace;
  readonly answer: UsageAnswer;
  readonly lines: readonly CostLine[];
}

/** The usage of a period by group; each name and figure leads to the sessions behind it. */
export function UsageTable({ place, answer: { total, left_out: leftOut }, lines }: UsageTableProps) {
  const { by } = place;
  // A run can use several models, so runs are not counted by model.
  const counted = by === "model" ? "requests" : "runs";
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section className="wide cost-table" aria-label="Usage" tabIndex={0}>
      <table>
        <caption className="visually-hidden">{`Usage by ${by}`}</caption>
        <thead>
          <tr>
            <th scope="col">{HEADINGS[by]}</th>
            <th scope="col">Share</th>
            <NumberHeading>Cost</NumberHeading>
            <NumberHeading>{by === "model" ? "Requests" : "Runs started"}</NumberHeading>
            {TOKENS.map(([name]) => (
              <NumberHeading key={name}>{name}</NumberHeading>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => {
            const link = linkOf(line, place);
            return (
              <tr key={line.key}>
                <th scope="row" title={oneLine(line.name)}>
                  <Behind link={link}>
                    <Line text={line.name} />
                  </Behind>
                </th>
                <td className="share">
                  <span className="share-bar" aria-hidden="true">
                    <span style={{ inlineSize: `${line.share * 100}%` }} />
                  </span>
                  <span className="number">{percent(line.share)}</span>
                </td>
                <Figures row={line.row} counted={counted} link={link} />
              </tr>
            );
          })}
        </tbody>
        {total && (
          <tfoot>
            {leftOut > 0 && (
              <tr>
                <th scope="row" colSpan={4 + TOKENS.length}>
                  {`${plural(leftOut, "cheaper row")} not shown`}
                </th>
              </tr>
            )}
            <tr>
              <th scope="row">All</th>
              <td />
              <Figures row={total} counted={counted} link={null} />
            </tr>
            <NotKnown total={total} />
          </tfoot>
        )}
      </table>
    </section>
  );
}

function Figures({
  row,
  counted,
  link,
}: {
  row: UsageRow;
  counted: "runs" | "requests";
  link: string | null;
}) {
  const isCounting = (row.open_runs ?? 0) > 0;
  return (
    <>
      <td className="number">
        <Behind link={link}>
          {hasCost(row.usage) || isCounting ? cost(row.usage, isCounting) : "$0.00"}
        </Behind>
      </td>
      <td className="number">
        <Behind link={link}>{wholeNumber(row[counted])}</Behind>
      </td>
      {TOKENS.map(([name, field]) => (
        <td key={name} className="number" title={`${wholeNumber(row.usage[field])} tokens`}>
          {compactNumber(row.usage[field])}
        </td>
      ))}
    </>
  );
}

/** What the sums cannot include: runs that are still counting, and runs of unknown cost. */
function NotKnown({ total }: { total: UsageRow }) {
  const { open_runs: open, unpriced_runs: unpriced, usage } = total;
  const rows = [
    ["still counting", open ?? 0, null],
    ["not known", unpriced ?? 0, usage.unpriced_tokens],
  ] as const;
  return rows
    .filter(([, runs]) => runs > 0)
    .map(([words, runs, tokens]) => (
      <tr key={words} className="not-known">
        <th scope="row" colSpan={4 + TOKENS.length}>
          {`${words}: ${plural(runs, "run")}`}
          {tokens !== null &&
            tokens > 0 &&
            `, ${compactNumber(Math.min(tokens, totalTokens(total)))} tokens without a price`}
        </th>
      </tr>
    ));
}

function Behind({ link, children }: { link: string | null; children: React.ReactNode }) {
  return link === null ? children : <a href={link}>{children}</a>;
}

/** Return the link to the sessions of a line; null if the list cannot be filtered by it. */
function linkOf({ value }: CostLine, place: CostPlace): string | null {
  if (value === null) return null;
  switch (place.by) {
    case "session":
      return sessionLink(value);
    case "day": {
      const day = localDay(value);
      return listOf({ since: day, until: day });
    }
    default:
      return listOf({ [place.by]: value, ...periodTokens(place) });
  }
}

/** Return the link to the list with these tokens. */
function listOf(tokens: Partial<Record<TokenName, string>>): string {
  const names = Object.keys(tokens) as TokenName[];
  return sessionsLink({ query: names.map((name) => token(name, tokens[name] ?? "")).join(" ") });
}

function localDay(moment: string): string {
  const day = new Date(moment);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

function percent(share: number): string {
  if (share > 0 && share < 0.01) return "<1%";
  return `${Math.round(share * 100)}%`;
}
