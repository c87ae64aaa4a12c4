import { lazy, Suspense } from "react";
import { explain } from "../api/errors";
import type { Plot } from "../state/usage";
import { oneLine } from "../text/visible";
import { NumberHeading } from "../ui/number-heading";
import { Line } from "../ui/text";

const BarPlot = lazy(() => import("./bar-plot"));

interface PlotWithTableProps {
  readonly title: string;
  readonly summary: string;
  readonly plot: Plot;
  /** CSS variables, one per series. */
  readonly colors: readonly string[];
  readonly bucket: "day" | "hour";
  readonly error: Error | null;
  readonly isLoading: boolean;
  format(value: number): string;
  formatTick(value: number): string;
}

/** A plot, with its figures in a table on demand. */
export function PlotWithTable({
  title,
  summary,
  plot,
  colors,
  bucket,
  error,
  isLoading,
  format,
  formatTick,
}: PlotWithTableProps) {
  const labels = plot.starts.map((start) => label(start, bucket));
  const isEmpty = plot.series.every((series) => series.values.every((value) => value === 0));
  return (
    <figure className="figure">
      <figcaption>
        <span>{title}</span>
        <strong className="number">{summary}</strong>
      </figcaption>
      <div className="plot">
        {error ? (
          <p className="plot-note" role="alert">
            {explain(error)}
          </p>
        ) : isEmpty ? (
          <p className="plot-note">{isLoading ? "" : "No data in this period."}</p>
        ) : (
          <Suspense fallback={null}>
            <BarPlot
              title={`${title}: ${summary}`}
              labels={labels}
              plot={plot}
              colors={colors}
              format={format}
              formatTick={formatTick}
            />
          </Suspense>
        )}
      </div>
      {!isEmpty && (
        <>
          <ul className="legend" aria-hidden="true">
            {plot.series.map((series, place) =>
              series.values.some((value) => value > 0) ? (
                <li key={series.name}>
                  <span className="swatch" style={{ background: `var(${colors[place]})` }} />
                  {oneLine(series.name)}
                </li>
              ) : null,
            )}
          </ul>
          <details className="figures-table">
            <summary>As a table</summary>
            <div className="wide">
              <table>
                <caption className="visually-hidden">{title}</caption>
                <thead>
                  <tr>
                    <th scope="col">{bucket === "day" ? "Day" : "Hour"}</th>
                    {plot.series.map((series) => (
                      <NumberHeading key={series.name}>
                        <Line text={series.name} />
                      </NumberHeading>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {plot.starts.map((start, row) => (
                    <tr key={start}>
                      <th scope="row">{labels[row]}</th>
                      {plot.series.map((series) => (
                        <td className="number" key={series.name}>
                          {format(series.values[row] ?? 0)}
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </details>
        </>
      )}
    </figure>
  );
}

function label(start: number, bucket: "day" | "hour"): string {
  const date = new Date(start);
  if (bucket === "day") return date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return date.toLocaleTimeString("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
}
