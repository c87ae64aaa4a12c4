import { useMemo, useState } from "react";
import { runsByEnd } from "../state/usage";
import { plural, wholeNumber } from "../text/format";
import { PlotWithTable } from "./plot-with-table";
import { Span } from "./span";
import { useUsage } from "./use-usage";

const SPANS = [24, 48] as const;
const COLORS = ["--plot-good", "--plot-bad", "--plot-warn", "--plot-lost"] as const;

/** Label only whole numbers, as there are no fractions of a run. */
function wholeTick(value: number): string {
  return Number.isInteger(value) ? wholeNumber(value) : "";
}

export function Activity() {
  const [hours, setHours] = useState<number>(SPANS[0]);
  const { rows, starts, error, isLoading } = useUsage("hour", hours, "agent");
  const plot = useMemo(() => runsByEnd(rows, starts), [rows, starts]);
  const total = rows.reduce((sum, row) => sum + row.runs, 0);
  return (
    <section aria-labelledby="activity">
      <h2 id="activity">
        Activity <Span label="Hours" values={SPANS} unit="h" value={hours} onChange={setHours} />
      </h2>
      <PlotWithTable
        title="Runs started per hour"
        summary={plural(total, "run")}
        plot={plot}
        colors={COLORS}
        bucket="hour"
        format={String}
        formatTick={wholeTick}
        error={error}
        isLoading={isLoading}
      />
    </section>
  );
}
