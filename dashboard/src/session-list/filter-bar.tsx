import type { RefObject } from "react";
import { SelectField } from "../ui/select-field";
import { AgentField, ArchivedField, ProjectField, StateField } from "../ui/session-fields";
import { TypedField } from "../ui/typed-field";
import type { SessionFilter } from "../wire";

interface FilterBarProps {
  readonly filter: SessionFilter;
  readonly textInput: RefObject<HTMLInputElement | null>;
  onChange(filter: SessionFilter): void;
}

export function FilterBar({ filter, textInput, onChange }: FilterBarProps) {
  return (
    <search className="filter-bar" aria-label="Filter sessions">
      <TypedField
        label="Filter"
        placeholder="Name, project, agent or id"
        value={filter.text}
        inputRef={textInput}
        className="filter-text"
        onChange={(text) => onChange({ ...filter, text })}
      />
      <StateField value={filter.state} onChange={(state) => onChange({ ...filter, state })} />
      <ProjectField value={filter} onChange={(project) => onChange({ ...filter, ...project })} />
      <AgentField value={filter.agent} onChange={(agent) => onChange({ ...filter, agent })} />
      <ArchivedField value={filter.archived} onChange={(archived) => onChange({ ...filter, archived })} />
      <SelectField
        label="Sort by"
        value={filter.sort}
        choices={[
          ["created", "newest"],
          ["activity", "last activity"],
          ["name", "name"],
          ["cost", "cost"],
        ]}
        onChange={(sort) => sort && onChange({ ...filter, sort })}
      />
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
