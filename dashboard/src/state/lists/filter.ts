import type { ListAddress } from "../../text/address/route";
import { type ParsedQuery, parseQuery } from "../../text/address/session-query";

/** Return the filter that an address of the list means, and what of its text cannot be applied. */
export function listFilter({ query, sort, order, isTree }: ListAddress): ParsedQuery {
  const parsed = parseQuery(query);
  return { ...parsed, filter: { ...parsed.filter, sort, order, top_level: isTree } };
}
