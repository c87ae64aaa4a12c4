import { useEffect, useLayoutEffect, useRef } from "react";
import { hasCode } from "../api/errors";
import { useSessions } from "../feed/use-sessions";
import { useKeepPlace, usePlaceLeft } from "../hooks/left-place";
import { useKeys } from "../hooks/use-keys";
import { replaceRoute } from "../hooks/use-route";
import { useTitle } from "../hooks/use-title";
import { searchLink } from "../text/address/route";
import { plural, wholeNumber } from "../text/format";
import { oneLine } from "../text/visible";
import { Failed } from "../ui/empty";
import { defaultFilter, type SearchFilter, type SessionFilter } from "../wire";
import "../styles/search.css";
import { FoundSessions } from "./found-sessions";
import { HitList } from "./hit-list";
import { MalformedQuery } from "./malformed-query";
import { NoHits } from "./no-hits";
import { QueryHelp } from "./query-help";
import { SearchBar } from "./search-bar";
import { useSearch } from "./use-search";

/** The state of a search that is restored on return. */
interface SearchPlace {
  readonly scrollTop: number;
  /** The key of the hit that was opened. */
  readonly hit: string | null;
}

const RUNNING: SessionFilter = { ...defaultFilter, state: ["running"] };

export function SearchView({ filter }: { filter: SearchFilter }) {
  const link = searchLink(filter);
  const found = useSearch(filter);
  const box = useRef<HTMLInputElement>(null);
  const scroller = useRef<HTMLDivElement>(null);
  useSessions(RUNNING); // opens the feed, so that the page shows whether the manager is there
  const hasQuery = filter.query.trim() !== "";
  useTitle(hasQuery ? oneLine(filter.query) : "Search");

  const focusBox = () => box.current?.select();
  useEffect(() => {
    if (!hasQuery) box.current?.focus();
  }, [hasQuery]);

  /** Move the focus along the links of the hits; return false at their start. */
  function move(step: number): boolean {
    const links = [...(scroller.current?.querySelectorAll<HTMLElement>("[data-hit]") ?? [])];
    const at = links.indexOf(document.activeElement as HTMLElement);
    links[at < 0 ? 0 : Math.min(links.length - 1, at + step)]?.focus();
    return at + step >= 0;
  }
  const down = () => void move(1);
  const up = () => void (move(-1) || focusBox());
  useKeys({ "/": focusBox, j: down, ArrowDown: down, k: up, ArrowUp: up, Escape: focusBox });

  const place = useRef(usePlaceLeft<SearchPlace>(link, true));
  const hasHits = found.groups.length > 0;
  useLayoutEffect(() => {
    const left = place.current;
    if (left === null || !hasHits || scroller.current === null) return;
    place.current = null;
    scroller.current.scrollTop = left.scrollTop;
    hitLink(scroller.current, left.hit)?.focus({ preventScroll: true });
  }, [hasHits]);
  useKeepPlace(link, (): SearchPlace | null => {
    const focused = document.activeElement;
    const hit = focused instanceof HTMLElement ? (focused.dataset.hit ?? null) : null;
    return scroller.current && { scrollTop: scroller.current.scrollTop, hit };
  });

  return (
    <>
      <h1 className="visually-hidden">Search</h1>
      <SearchBar
        filter={filter}
        box={box}
        onChange={(next) => replaceRoute(searchLink(next))}
        onSearch={found.searchAgain}
        onDown={down}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div ref={scroller} className="search-results" role="region" aria-label="Results" tabIndex={0}>
        <Results filter={filter} found={found} hasQuery={hasQuery} />
      </div>
    </>
  );
}

interface ResultsProps {
  readonly filter: SearchFilter;
  readonly found: ReturnType<typeof useSearch>;
  readonly hasQuery: boolean;
}

function Results({ filter, found, hasQuery }: ResultsProps) {
  if (!hasQuery) return <QueryHelp />;
  const { error, groups, sessions, isLoading, lag } = found;
  if (hasCode(error, "invalid_query")) return <MalformedQuery query={filter.query} error={error} />;
  if (error && groups.length === 0) return <Failed error={error} retry={found.searchAgain} />;
  return (
    <div className={found.isOld ? "is-old" : ""} aria-busy={isLoading || found.isOld}>
      {(isLoading || found.isOld) && (
        <div className="loading" role="status" aria-label={`Searching ${considered(found)}`} />
      )}
      {lag > 0 && (
        <p className="search-note" role="status">
          {`The index is ${plural(lag, "event")} behind: newer events may be missing. `}
          <button type="button" className="show-all" onClick={found.searchAgain}>
            Search again
          </button>
        </p>
      )}
      {sessions.length > 0 && <FoundSessions sessions={sessions} />}
      {groups.length > 0 && <HitList groups={groups} filter={filter} />}
      {!isLoading && groups.length === 0 && <NoHits filter={filter} />}
      {groups.length > 0 && <Foot found={found} />}
    </div>
  );
}

/** The number of hits, how far the search has come, and the way to more. */
function Foot({ found }: { found: ReturnType<typeof useSearch> }) {
  const count = found.groups.reduce((sum, group) => sum + group.hits.length, 0);
  return (
    <div className="search-foot">
      <p role="status">
        {found.hasMore ? `${wholeNumber(count)}+ hits` : plural(count, "hit")}
        {considered(found)}
        {found.isLoadingMore && ", loading more …"}
        {found.hasFailed && ", the next page could not be loaded"}
      </p>
      {found.hasMore && (
        <button
          type="button"
          className="button"
          data-hit="more"
          disabled={found.isLoadingMore}
          onClick={found.loadMore}
        >
          {found.hasFailed ? "Try again" : found.progress?.isCut ? "Continue the search" : "More hits"}
        </button>
      )}
    </div>
  );
}

function considered({ progress }: Pick<ReturnType<typeof useSearch>, "progress">): string {
  return progress === null
    ? ""
    : `, searched ${plural(progress.considered, "match").replace("matchs", "matches")}`;
}

function hitLink(list: HTMLElement, key: string | null): HTMLElement | undefined {
  return [...list.querySelectorAll<HTMLElement>("[data-hit]")].find((link) => link.dataset.hit === key);
}
