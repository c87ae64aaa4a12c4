import { useQuery } from "@tanstack/react-query";
import { countSessions } from "../../api/routes";
import { SESSION_LISTS } from "../../feed/sessions-feed-provider";
import type { SessionList } from "../../feed/use-sessions";
import type { ListAddress } from "../../text/address/route";
import { plural, wholeNumber } from "../../text/format";
import { defaultFilter, type SessionFilter } from "../../wire";

const COUNT_MS = 30_000;

interface ListFootProps {
  readonly address: ListAddress;
  readonly filter: SessionFilter;
  readonly list: SessionList;
}

/** The number of sessions, and how far they are loaded. */
export function ListFoot({ address, filter, list }: ListFootProps) {
  const isFiltered = address.query.trim() !== "";
  const all: SessionFilter = {
    ...defaultFilter,
    archived: filter.archived === "false" ? "false" : "all",
    top_level: filter.top_level,
  };
  const ofAll = useQuery({
    queryKey: [SESSION_LISTS, "count", all],
    queryFn: ({ signal }) => countSessions(all, signal),
    enabled: isFiltered,
    staleTime: COUNT_MS,
  });
  const isPart = isFiltered && ofAll.data !== undefined && ofAll.data > list.total;
  return (
    <p className="list-foot" role="status">
      {isPart
        ? `${wholeNumber(list.total)} of ${plural(ofAll.data, "session")}`
        : plural(list.total, "session")}
      {address.sort === "created" && (address.order === "desc" ? ", newest first" : ", oldest first")}
      {list.isLoadingMore && ", loading more …"}
      {list.hasFailed && (
        <>
          {", the next page could not be loaded: "}
          <button type="button" className="show-all" onClick={list.loadMore}>
            try again
          </button>
        </>
      )}
    </p>
  );
}
