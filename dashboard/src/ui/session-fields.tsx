/** Fields to filter by properties of sessions, as the list and the search have them. */

import { useQuery } from "@tanstack/react-query";
import { getFacets } from "../api/routes";
import { type SearchFilter, type SessionState, STATES } from "../wire";
import { SelectField } from "./select-field";
import { TypedField } from "./typed-field";

const FACETS_MS = 30_000;

export function useFacets() {
  return useQuery({
    queryKey: ["facets"],
    queryFn: ({ signal }) => getFacets(signal),
    staleTime: FACETS_MS,
  }).data;
}

interface FieldProps<Value> {
  readonly value: Value;
  onChange(value: Value): void;
}

export function StateField({ value, onChange }: FieldProps<SessionState | null>) {
  return (
    <SelectField
      label="State"
      value={value}
      choices={[[null, "any"], ...STATES.map((state) => [state, state] as const)]}
      onChange={onChange}
    />
  );
}

type Project = Pick<SearchFilter, "project" | "project_dir">;

/** A project that is chosen from the list must match exactly; any other text matches part of the path. */
export function ProjectField({ value, onChange }: FieldProps<Project>) {
  const projects =
    useFacets()?.projects.map(({ project_dir, count }) => ({ value: project_dir, count })) ?? [];
  return (
    <TypedField
      label="Project"
      placeholder="any part"
      value={value.project_dir ?? value.project}
      options={projects}
      onChange={(text) => {
        const isChosen = projects.some((project) => project.value === text);
        onChange({ project: isChosen ? "" : text, project_dir: isChosen ? text : null });
      }}
    />
  );
}

export function AgentField({ value, onChange }: FieldProps<string | null>) {
  const agents = useFacets()?.agents.map(({ agent, count }) => ({ value: agent, count })) ?? [];
  return (
    <TypedField
      label="Agent"
      placeholder="any"
      value={value ?? ""}
      options={agents}
      onChange={(text) => onChange(text || null)}
    />
  );
}

export function ArchivedField({ value, onChange }: FieldProps<SearchFilter["archived"]>) {
  return (
    <SelectField
      label="Archived"
      value={value}
      choices={[
        ["false", "hide"],
        ["true", "only"],
        ["all", "show"],
      ]}
      onChange={(choice) => choice && onChange(choice)}
    />
  );
}
