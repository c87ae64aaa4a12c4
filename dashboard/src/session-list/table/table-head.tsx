import { type ListAddress, naturalOrder } from "../../text/address/route";
import type { SessionSort } from "../../wire";

interface TableHeadProps {
  readonly address: ListAddress;
  readonly columns: readonly Column[];
  /** Null if some of the sessions are selected. */
  readonly isAllSelected: boolean | null;
  onSort(order: Pick<ListAddress, "sort" | "order">): void;
  onSelectAll(isSelected: boolean): void;
}

export interface Column {
  readonly key: string;
  readonly word: string;
  readonly sort?: SessionSort;
}

/** The columns; of agents and models only if a session has one. */
export function columnsFor({ hasAgent, hasModel }: { hasAgent: boolean; hasModel: boolean }) {
  const columns: readonly (Column | false)[] = [
    { key: "mark", word: "State" },
    { key: "name", word: "Name", sort: "name" },
    { key: "what", word: "What" },
    { key: "project", word: "Project" },
    hasAgent && { key: "agent", word: "Agent" },
    { key: "when", word: "When", sort: "activity" },
    { key: "took", word: "Took", sort: "took" },
    { key: "cost", word: "Cost", sort: "cost" },
    hasModel && { key: "model", word: "Model" },
  ];
  return columns.filter((column) => column !== false);
}

/** The heads of the columns: a click sorts, a second one turns the order, a third one restores that of creation. */
export function TableHead({ address, columns, isAllSelected, onSort, onSelectAll }: TableHeadProps) {
  return (
    <div role="rowgroup" className="session-head">
      <div role="row" aria-rowindex={1} className="session-row">
        <span role="columnheader" className="cell-select">
          <input
            type="checkbox"
            aria-label="Select all that match the filter"
            title="Select all that match the filter"
            checked={isAllSelected === true}
            ref={(box) => {
              if (box) box.indeterminate = isAllSelected === null;
            }}
            onChange={(event) => onSelectAll(event.target.checked)}
          />
        </span>
        {columns.map(({ key, word, sort }) => (
          <span
            role="columnheader"
            key={key}
            className={`cell-${key}`}
            aria-sort={sort === address.sort ? SORT_WORDS[address.order] : undefined}
          >
            {sort === undefined ? (
              <span className={key === "mark" ? "visually-hidden" : ""}>{word}</span>
            ) : (
              <button type="button" className="sort" onClick={() => onSort(nextSort(address, sort))}>
                {word}
                <span aria-hidden="true">{sort === address.sort && ARROWS[address.order]}</span>
              </button>
            )}
          </span>
        ))}
      </div>
    </div>
  );
}

const SORT_WORDS = { asc: "ascending", desc: "descending" } as const;
const ARROWS = { asc: "▴", desc: "▾" } as const;

function nextSort(address: ListAddress, sort: SessionSort): Pick<ListAddress, "sort" | "order"> {
  const natural = naturalOrder(sort);
  if (address.sort !== sort) return { sort, order: natural };
  if (address.order === natural) return { sort, order: natural === "asc" ? "desc" : "asc" };
  return { sort: "created", order: naturalOrder("created") };
}
