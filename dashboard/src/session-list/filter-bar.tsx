import { useQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useEffectEvent, useId, useState } from "react";
import { getFacets } from "../api/routes";
import { type SessionFilter, SORTS, STATES } from "../wire";

interface FilterBarProps {
  readonly filter: SessionFilter;
  readonly textInput: RefObject<HTMLInputElement | null>;
  onChange(filter: SessionFilter): void;
}

const SORT_WORDS = { created: "newest", activity: "last activity", name: "name", cost: "cost" } as const;
const FACETS_MS = 30_000;

export function FilterBar({ filter, textInput, onChange }: FilterBarProps) {
  const facets = useQuery({
    queryKey: ["facets"],
    queryFn: ({ signal }) => getFacets(signal),
    staleTime: FACETS_MS,
  });
  const projects =
    facets.data?.projects.map(({ project_dir, count }) => ({ value: project_dir, count })) ?? [];
  return (
    <search className="filter-bar" aria-label="Filter sessions">
      <TypedFilter
        label="Search"
        placeholder="Name, project, agent or id"
        value={filter.text}
        inputRef={textInput}
        className="filter-text"
        onChange={(text) => onChange({ ...filter, text })}
      />
      <label className="field">
        <span>State</span>
        <select
          value={filter.state ?? ""}
          onChange={(event) =>
            onChange({ ...filter, state: STATES.find((state) => state === event.target.value) ?? null })
          }
        >
          <option value="">any</option>
          {STATES.map((state) => (
            <option key={state}>{state}</option>
          ))}
        </select>
      </label>
      <TypedFilter
        label="Project"
        placeholder="any part"
        value={filter.project_dir ?? filter.project}
        options={projects}
        onChange={(text) => {
          // A chosen project must match exactly; any other text matches part of the path.
          const isChosen = projects.some(({ value }) => value === text);
          onChange({ ...filter, project: isChosen ? "" : text, project_dir: isChosen ? text : null });
        }}
      />
      <TypedFilter
        label="Agent"
        placeholder="any"
        value={filter.agent ?? ""}
        options={facets.data?.agents.map(({ agent, count }) => ({ value: agent, count })) ?? []}
        onChange={(text) => onChange({ ...filter, agent: text || null })}
      />
      <label className="field">
        <span>Archived</span>
        <select
          value={filter.archived}
          onChange={(event) => {
            const archived = event.target.value;
            onChange({ ...filter, archived: archived === "true" || archived === "all" ? archived : "false" });
          }}
        >
          <option value="false">hide</option>
          <option value="true">only</option>
          <option value="all">show</option>
        </select>
      </label>
      <label className="field">
        <span>Sort by</span>
        <select
          value={filter.sort}
          onChange={(event) =>
            onChange({ ...filter, sort: SORTS.find((sort) => sort === event.target.value) ?? "created" })
          }
        >
          {SORTS.map((sort) => (
            <option key={sort} value={sort}>
              {SORT_WORDS[sort]}
            </option>
          ))}
        </select>
      </label>
      <label className="check">
        <input
          type="checkbox"
          checked={filter.grouped}
          onChange={(event) => onChange({ ...filter, grouped: event.target.checked })}
        />
        <span>Group by parent</span>
      </label>
    </search>
  );
}

interface TypedFilterProps {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  readonly className?: string;
  readonly options?: readonly { readonly value: string; readonly count: number }[];
  readonly inputRef?: RefObject<HTMLInputElement | null>;
  onChange(value: string): void;
}

const TYPING_MS = 250;

/** A text filter; it is applied when the typing pauses or the field loses the focus, to save requests. */
function TypedFilter({
  label,
  placeholder,
  value,
  className = "",
  options,
  inputRef,
  onChange,
}: TypedFilterProps) {
  const listId = useId();
  const [typed, setTyped] = useState(value);
  const [applied, setApplied] = useState(value);
  if (applied !== value) {
    setApplied(value);
    setTyped(value);
  }
  const apply = useEffectEvent(onChange);

  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => apply(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed, value]);

  return (
    <label className={`field ${className}`}>
      <span>{label}</span>
      <input
        ref={inputRef}
        type="search"
        value={typed}
        placeholder={placeholder}
        list={options && listId}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault(); // a browser may empty the field
          event.currentTarget.blur();
        }}
        onBlur={() => typed !== value && onChange(typed)}
      />
      {options && (
        <datalist id={listId}>
          {options.map((option) => (
            <option key={option.value} value={option.value} label={`${option.value} (${option.count})`} />
          ))}
        </datalist>
      )}
    </label>
  );
}
