import { useMemo, useState } from "react";
import { byGroup, type GroupTotal, totalsByGroup, totalTokens } from "../state/usage";
import { compactNumber, cost, money, roundMoney, wholeNumber } from "../text/format";
import { NumberHeading } from "../ui/number-heading";
import { Line } from "../ui/text";
import type { UsageRow } from "../wire";
import { PlotWithTable } from "./plot-with-table";
import { Span } from "./span";
import { useUsage } from "./use-usage";

const SPANS = [14, 30] as const;
const GROUPS = ["agent", "project", "model"] as const;
const COLORS = ["--plot-1", "--plot-2", "--plot-3", "--plot-4", "--plot-5", "--plot-6"] as const;

type Column = readonly [name: string, count: (total: GroupTotal) => number];

const RUNS: readonly Column[] = [
  ["Runs", ({ runs }) => runs],
  ["Failed", ({ failed }) => failed],
];
/** A run can use several models, so runs are not counted by model. */
const REQUESTS: readonly Column[] = [["Requests", ({ requests }) => requests]];

export function Spending() {
  const [days, setDays] = useState<number>(SPANS[0]);
  const [chosen, setChosen] = useState<(typeof GROUPS)[number]>("agent");
  const { rows, starts, group, error, isLoading } = useUsage("day", days, chosen);
  const usage = useMemo(() => ({ rows, starts, group }), [rows, starts, group]);
  // One order of groups for both plots, so that a colour means the same group in both.
  const totals = useMemo(() => totalsByGroup(usage), [usage]);
  const costs = useMemo(() => byGroup(usage, totals, costOf), [usage, totals]);
  const tokens = useMemo(() => byGroup(usage, totals, totalTokens), [usage, totals]);
  const sum = (value: (row: UsageRow) => number) => rows.reduce((total, row) => total + value(row), 0);
  const counts = group === "model" ? REQUESTS : RUNS;
  const shared = { bucket: "day", colors: COLORS, error, isLoading } as const;
  return (
    <section aria-labelledby="spending">
      <h2 id="spending">
        Tokens and cost <Span label="Days" values={SPANS} unit="d" value={days} onChange={setDays} />
        <Span label="By" values={GROUPS} value={chosen} onChange={setChosen} />
      </h2>
      <div className="figures">
        <PlotWithTable
          {...shared}
          title="Cost per day"
          summary={cost({ cost_microdollars: sum(costOf), unpriced_tokens: sum(unpricedOf) })}
          plot={costs}
          format={money}
          formatTick={roundMoney}
        />
        <PlotWithTable
          {...shared}
          title="Tokens per day"
          summary={`${compactNumber(sum(totalTokens))} tokens`}
          plot={tokens}
          format={compactNumber}
          formatTick={compactNumber}
        />
      </div>
      {totals.length > 0 && (
        <table className="totals">
          <caption>{`By ${group}, last ${days} days`}</caption>
          <thead>
            <tr>
              <th scope="col">{group[0]?.toUpperCase() + group.slice(1)}</th>
              {counts.map(([name]) => (
                <NumberHeading key={name}>{name}</NumberHeading>
              ))}
              <NumberHeading>Tokens</NumberHeading>
              <NumberHeading>Cost</NumberHeading>
            </tr>
          </thead>
          <tbody>
            {totals.map((total) => (
              <tr key={total.name}>
                <th scope="row">
                  <Line text={total.name} />
                </th>
                {counts.map(([name, count]) => (
                  <td key={name} className="number">
                    {wholeNumber(count(total))}
                  </td>
                ))}
                <td className="number" title={wholeNumber(total.tokens)}>
                  {compactNumber(total.tokens)}
                </td>
                <td className="number">{cost(total)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function costOf(row: UsageRow): number {
  return row.usage.cost_microdollars;
}

function unpricedOf(row: UsageRow): number {
  return row.usage.unpriced_tokens;
}
