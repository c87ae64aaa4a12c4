import { useMemo, useState } from "react";
import { byAgent, totalsByAgent, totalTokens } from "../state/usage";
import { compactNumber, cost, money, roundMoney, wholeNumber } from "../text/format";
import { NumberHeading } from "../ui/number-heading";
import { Line } from "../ui/text";
import type { UsageRow } from "../wire";
import { PlotWithTable } from "./plot-with-table";
import { Span } from "./span";
import { useUsage } from "./use-usage";

const SPANS = [14, 30] as const;
const COLORS = ["--plot-1", "--plot-2", "--plot-3", "--plot-4", "--plot-5", "--plot-6"] as const;

export function Spending() {
  const [days, setDays] = useState<number>(SPANS[0]);
  const { rows, starts, error, isLoading } = useUsage("day", days);
  // One order of agents for both plots, so that a colour means the same agent in both.
  const agents = useMemo(() => totalsByAgent(rows), [rows]);
  const costs = useMemo(() => byAgent(rows, starts, agents, costOf), [rows, starts, agents]);
  const tokens = useMemo(() => byAgent(rows, starts, agents, totalTokens), [rows, starts, agents]);
  const sum = (value: (row: UsageRow) => number) => rows.reduce((total, row) => total + value(row), 0);
  const shared = { bucket: "day", colors: COLORS, error, isLoading } as const;
  return (
    <section aria-labelledby="spending">
      <h2 id="spending">
        Tokens and cost <Span label="Days" values={SPANS} unit="d" value={days} onChange={setDays} />
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
      {agents.length > 0 && (
        <table className="totals">
          <caption>By agent, last {days} days</caption>
          <thead>
            <tr>
              <th scope="col">Agent</th>
              <NumberHeading>Runs</NumberHeading>
              <NumberHeading>Failed</NumberHeading>
              <NumberHeading>Tokens</NumberHeading>
              <NumberHeading>Cost</NumberHeading>
            </tr>
          </thead>
          <tbody>
            {agents.map((total) => (
              <tr key={total.agent}>
                <th scope="row">
                  <Line text={total.agent} />
                </th>
                <td className="number">{wholeNumber(total.runs)}</td>
                <td className="number">{wholeNumber(total.failed)}</td>
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
