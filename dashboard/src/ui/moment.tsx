import { useNow } from "../hooks/use-now";
import { ago, fullTime } from "../text/format";

/** A relative time, for example "3m ago", with the full time on hover. */
export function Moment({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={fullTime(at)}>
      {ago(at, now)}
    </time>
  );
}
