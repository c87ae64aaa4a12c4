import { useMemo } from "react";
import { goTo, replaceRoute } from "../hooks/use-route";
import { useTitle } from "../hooks/use-title";
import { linesOf, plotOf } from "../state/usage";
import { COST_GROUPS, COST_SPANS, type CostPlace } from "../text/address/cost-place";
import { costLink } from "../text/address/route";
import { cost, money, roundMoney } from "../text/format";
import { Empty } from "../ui/empty";
import "../styles/cost.css";
import { useCost } from "../feed/use-usage";
import { PlotWithTable } from "./plot-with-table";
import { Span } from "./span";
import { UsageTable } from "./usage-table";

const COLORS = ["--plot-1", "--plot-2", "--plot-3", "--plot-4", "--plot-5", "--plot-6"] as const;
const SPAN_WORDS = { today: "Today", "7d": "7 d", "30d": "30 d" } as const;

/** What agents have used: one plot, and one table that turns. */
export function CostView({ place }: { place: CostPlace }) {
  useTitle("Cost");
  const { data, error, isLoading } = useCost(place);
  const { table, period } = data;
  const { by } = data.place;
  const lines = useMemo(() => linesOf(table, by), [table, by]);
  const plot = useMemo(() => plotOf(data.plot, period.starts, by, lines), [data.plot, period, by, lines]);
  const isEmpty = !isLoading && lines.length === 0 && error === null;
  return (
    <div className="sheet cost">
      <div className="cost-head">
        <h1>Cost</h1>
        <Span
          label="Period"
          choices={COST_SPANS.map((span) => [span, SPAN_WORDS[span]] as const)}
          value={place.span}
          onChange={(span) => goTo(costLink({ ...place, span, from: "", to: "" }))}
        />
        <Days place={place} />
      </div>
      {isEmpty ? (
        <Empty title="No usage in this period.">
          <p className="quiet-text">Usage appears here while agents run, with the time of each request.</p>
        </Empty>
      ) : (
        <PlotWithTable
          title={`Cost per ${period.bucket}`}
          summary={table.total ? cost(table.total.usage) : ""}
          plot={plot}
          colors={COLORS}
          bucket={period.bucket}
          error={error}
          isLoading={isLoading}
          format={money}
          formatTick={roundMoney}
        />
      )}
      {lines.length > 0 && (
        <div>
          <Span
            label="By"
            choices={COST_GROUPS.map((group) => [group, group] as const)}
            value={place.by}
            onChange={(group) => goTo(costLink({ ...place, by: group }))}
          />
          <UsageTable place={data.place} answer={table} lines={lines} />
        </div>
      )}
    </div>
  );
}

/** The fields of a period of days. A period that is not whole is not shown yet. */
function Days({ place }: { place: CostPlace }) {
  const change = (fields: Partial<CostPlace>) => {
    const next = { ...place, ...fields };
    const from = next.from || next.to;
    const to = next.to || next.from;
    if (from !== "" && from <= to) replaceRoute(costLink({ ...next, span: "days", from, to }));
  };
  return (
    <span className="cost-days">
      <label className="field">
        <span>From</span>
        <input type="date" value={place.from} onChange={(event) => change({ from: event.target.value })} />
      </label>
      <label className="field">
        <span>To</span>
        <input type="date" value={place.to} onChange={(event) => change({ to: event.target.value })} />
      </label>
    </span>
  );
}
