import { useNow } from "../hooks/use-now";
import { ago, fullTime } from "../text/format";

/** A moment as "3m ago", with the whole of it on hover. */
export function Moment({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={fullTime(at)}>
      {ago(at, now)}
    </time>
  );
}
