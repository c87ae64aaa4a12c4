import { type RefObject, useState } from "react";
import { useMedia } from "../hooks/use-media";
import { searchLink } from "../text/address/route";
import { oneLine } from "../text/visible";
import { Icon } from "../ui/icons";
import { SelectField } from "../ui/select-field";
import { AgentField, ArchivedField, ProjectField, StateField } from "../ui/session-fields";
import { TypedField } from "../ui/typed-field";
import { defaultSearch, type SearchFilter } from "../wire";

interface SearchBarProps {
  readonly filter: SearchFilter;
  readonly box: RefObject<HTMLInputElement | null>;
  onChange(filter: SearchFilter): void;
  /** Called at Enter if the query has not changed. */
  onSearch(): void;
  onDown(): void;
}

export function SearchBar({ filter, box, onChange, onSearch, onDown }: SearchBarProps) {
  const isNarrow = useMedia("(max-width: 760px)");
  const [showsFilters, setShowsFilters] = useState(!isNarrow);
  const change = (part: Partial<SearchFilter>) => onChange({ ...filter, ...part });
  const count = countFilters(filter);
  return (
    <search className="search-bar" aria-label="Search events">
      <TypedField
        label="Search"
        placeholder={'Words, "a phrase", prefix*, -without, file:src/a.py'}
        value={filter.query}
        inputRef={box}
        className="search-box"
        onChange={(query) => change({ query })}
        onKeyDown={(event) => {
          if (event.key === "Enter") onSearch();
          if (event.key !== "ArrowDown") return;
          event.preventDefault();
          onDown();
        }}
      />
      {filter.session_id !== null && (
        <button type="button" className="button chip" onClick={() => change({ session_id: null })}>
          <span>
            Only in <bdi>{oneLine(filter.session_id)}</bdi>
          </span>
          <Icon name="close" />
          <span className="visually-hidden">: search all sessions</span>
        </button>
      )}
      <details open={showsFilters} onToggle={(event) => setShowsFilters(event.currentTarget.open)}>
        <summary>Filters{count > 0 && ` (${count})`}</summary>
        <div className="search-filters">
          <SelectField
            label="Order"
            value={filter.sort}
            choices={[
              ["newest", "newest first"],
              ["best", "best first"],
            ]}
            onChange={(sort) => change({ sort: sort ?? "newest" })}
          />
          <SelectField
            label="Kind"
            value={filter.kind}
            choices={KINDS}
            onChange={(kind) => change({ kind })}
          />
          <TypedField
            label="Tool"
            placeholder="any, such as Bash"
            value={filter.tool_name}
            onChange={(tool_name) => change({ tool_name })}
          />
          <ProjectField value={filter} onChange={change} />
          <AgentField value={filter.agent} onChange={(agent) => change({ agent })} />
          <TypedField
            label="Executor"
            placeholder="any, such as claude"
            value={filter.executor}
            onChange={(executor) => change({ executor })}
          />
          <StateField value={filter.state} onChange={(state) => change({ state })} />
          <ArchivedField value={filter.archived} onChange={(archived) => change({ archived })} />
          <Day label="From" value={filter.from} onChange={(from) => change({ from })} />
          <Day label="To" value={filter.to} onChange={(to) => change({ to })} />
          <Check
            label="Errors only"
            value={filter.has_error}
            onChange={(has_error) => change({ has_error })}
          />
          <Check
            label="First hit of each session"
            value={filter.by_session}
            onChange={(by_session) => change({ by_session })}
          />
          {count > 0 && (
            <a className="button" href={searchLink({ query: filter.query })}>
              Clear the filters
            </a>
          )}
        </div>
      </details>
    </search>
  );
}

const KINDS = [
  [null, "all but thinking"],
  ["all", "all with thinking"],
  ["message", "messages"],
  ["thinking", "thinking"],
  ["tool_input", "tool inputs"],
  ["tool_output", "tool outputs"],
  ["error", "errors"],
  ["note", "notes"],
] as const satisfies readonly (readonly [SearchFilter["kind"], string])[];

interface FieldProps<Value> {
  readonly label: string;
  readonly value: Value;
  onChange(value: Value): void;
}

function Day({ label, value, onChange }: FieldProps<string>) {
  return (
    <label className="field">
      <span>{label}</span>
      <input type="date" value={value} onChange={(event) => onChange(event.target.value)} />
    </label>
  );
}

function Check({ label, value, onChange }: FieldProps<boolean>) {
  return (
    <label className="check">
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.target.checked)} />
      <span>{label}</span>
    </label>
  );
}

/** Count the filters that are set, without the query and the order. */
export function countFilters(filter: SearchFilter): number {
  const names = Object.keys(defaultSearch) as (keyof SearchFilter)[];
  return names.filter((name) => name !== "query" && name !== "sort" && filter[name] !== defaultSearch[name])
    .length;
}
