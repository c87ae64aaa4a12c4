import { searchLink } from "../text/address/route";
import { oneLine } from "../text/visible";
import { Empty } from "../ui/empty";
import type { SearchFilter } from "../wire";
import { countFilters } from "./search-bar";

/** Explains that nothing matches, with searches that find more. */
export function NoHits({ filter }: { filter: SearchFilter }) {
  const prefix = asPrefix(filter.query);
  return (
    <Empty title="No event matches.">
      <ul className="wider-searches">
        {countFilters(filter) > 0 && (
          <li>
            <a href={searchLink({ query: filter.query, sort: filter.sort })}>Search without filters</a>
          </li>
        )}
        {prefix !== null && (
          <li>
            <a href={searchLink({ ...filter, query: prefix })}>
              Search for <bdi>{oneLine(prefix)}</bdi>
            </a>
            , as words are found only as they are written
          </li>
        )}
        {filter.kind === null && (
          <li>
            <a href={searchLink({ ...filter, kind: "all" })}>Search the thinking, too</a>
          </li>
        )}
        <li>Use fewer words: all must be in one event.</li>
      </ul>
    </Empty>
  );
}

/** Return a query whose last word can be continued; null if it has more than words. */
export function asPrefix(query: string): string | null {
  const words = query.trim();
  return /^[\p{L}\p{N}\s]*[\p{L}\p{N}]{3}$/u.test(words) ? `${words}*` : null;
}
