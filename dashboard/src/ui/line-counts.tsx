import type { Lines } from "../state/session/changed-files";
import { wholeNumber } from "../text/format";

/** The numbers of added and removed lines. */
export function LineCounts({ lines: { added, removed, isMore } }: { lines: Lines }) {
  const words = (count: number | null) => (count === null ? "?" : wholeNumber(count));
  return (
    <span
      className="counts number"
      title={isMore ? "The old text of a file that was written is not known" : undefined}
    >
      <span className="count-added">
        <span className="visually-hidden">added </span>+{words(added)}
      </span>{" "}
      <span className="count-removed">
        <span className="visually-hidden">removed </span>−{words(removed)}
      </span>
      {isMore && <span className="quiet-text"> and more</span>}
    </span>
  );
}
