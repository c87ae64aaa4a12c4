import { BarController, BarElement, CategoryScale, Chart, LinearScale, Tooltip } from "chart.js";
import { useEffect, useRef } from "react";
import type { Plot } from "../state/usage";
import { oneLine } from "../text/visible";
import { useColors } from "./use-colors";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Tooltip);

interface BarPlotProps {
  readonly title: string;
  readonly labels: readonly string[];
  readonly plot: Plot;
  readonly colors: readonly string[];
  format(value: number): string;
  formatTick(value: number): string;
}

const FRAME = ["--text-quiet", "--line", "--surface", "--text"] as const;

/** Stacked bars on a canvas, in the colours of the theme. */
export default function BarPlot({ title, labels, plot, colors, format, formatTick }: BarPlotProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const seriesColors = useColors(colors);
  const [quiet, line, surface, text] = useColors(FRAME);

  useEffect(() => {
    if (canvas.current === null) return;
    const chart = new Chart(canvas.current, {
      type: "bar",
      data: {
        labels: [...labels],
        datasets: plot.series.map((series, place) => ({
          label: oneLine(series.name),
          data: [...series.values],
          backgroundColor: seriesColors[place],
          borderRadius: 2,
          categoryPercentage: 0.82,
          barPercentage: 1,
        })),
      },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: {
          x: {
            stacked: true,
            grid: { display: false },
            border: { color: line },
            ticks: { color: quiet, maxRotation: 0, autoSkipPadding: 16 },
          },
          y: {
            stacked: true,
            beginAtZero: true,
            border: { display: false },
            grid: { color: line },
            ticks: {
              color: quiet,
              maxTicksLimit: 5,
              callback: (value) => formatTick(Number(value)),
            },
          },
        },
        plugins: {
          tooltip: {
            backgroundColor: text,
            titleColor: surface,
            bodyColor: surface,
            filter: (part) => (part.parsed.y ?? 0) > 0,
            callbacks: { label: (part) => ` ${part.dataset.label}: ${format(part.parsed.y ?? 0)}` },
          },
        },
      },
    });
    return () => chart.destroy();
  }, [labels, plot, seriesColors, quiet, line, surface, text, format, formatTick]);

  return <canvas ref={canvas} role="img" aria-label={title} />;
}
