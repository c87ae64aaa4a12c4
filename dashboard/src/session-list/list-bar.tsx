import { type RefObject, useMemo } from "react";
import { replaceRoute } from "../hooks/use-route";
import { type ListAddress, searchLink, sessionsLink } from "../text/address/route";
import type { QueryProblem } from "../text/address/session-query";
import type { KnownValues } from "../text/address/suggestions";
import { visible } from "../text/visible";
import { Icon } from "../ui/icons";
import { useFacets } from "../ui/session-fields";
import type { Session } from "../wire";
import { FilterBox } from "./filter-box";
import "../styles/list-bar.css";

const SAVED: readonly (readonly [name: string, query: string])[] = [
  ["Needs me", "needs:me"],
  ["Failed this week", "state:failed since:7d"],
  ["Costly", "cost:>1"],
];

interface ListBarProps {
  readonly address: ListAddress;
  readonly problems: readonly QueryProblem[];
  readonly box: RefObject<HTMLInputElement | null>;
  /** The sessions that are loaded, for suggestions. */
  readonly sessions: readonly Session[];
  readonly isDense: boolean;
  onDense(isDense: boolean): void;
}

/** The filter of the list with its problems, saved filters, and the choice of views. */
export function ListBar({ address, problems, box, sessions, isDense, onDense }: ListBarProps) {
  const known = useKnownValues(sessions);
  const change = (part: Partial<ListAddress>) => replaceRoute(sessionsLink({ ...address, ...part }));
  return (
    <search className="list-bar" aria-label="Filter sessions">
      <FilterBox query={address.query} box={box} known={known} onChange={(query) => change({ query })} />
      <ul className="saved-filters" aria-label="Saved filters">
        {SAVED.map(([name, query]) => {
          const isCurrent = address.query === query;
          return (
            <li key={name}>
              <a
                href={sessionsLink({ ...address, query: isCurrent ? "" : query })}
                aria-current={isCurrent || undefined}
                title={query}
              >
                {name}
              </a>
            </li>
          );
        })}
      </ul>
      <div className="list-views" role="group" aria-label="View">
        <Switch
          icon="subagent"
          label="Group by parent"
          isOn={address.isTree}
          onChange={(isTree) => change({ isTree })}
        />
        <Switch icon="rows" label="Dense rows" isOn={isDense} onChange={onDense} />
      </div>
      <div className="filter-problems" role="status">
        {problems.map(({ words, fix, search }) => (
          <p key={words}>
            {visible(words)}
            {fix && (
              <>
                {" Did you mean "}
                <button type="button" className="show-all" onClick={() => change({ query: fix.query })}>
                  {visible(fix.token)}
                </button>
                ?
              </>
            )}
            {search && (
              <>
                {" "}
                <a href={searchLink({ ...search, kind: "tool_input", by_session: true })}>
                  {`Find the sessions whose calls name ${visible(search.query)}`}
                </a>
              </>
            )}
          </p>
        ))}
      </div>
    </search>
  );
}

interface SwitchProps {
  readonly icon: "subagent" | "rows";
  readonly label: string;
  readonly isOn: boolean;
  onChange(isOn: boolean): void;
}

function Switch({ icon, label, isOn, onChange }: SwitchProps) {
  return (
    <button
      type="button"
      className={`icon-button ${isOn ? "is-on" : ""}`}
      aria-label={label}
      aria-pressed={isOn}
      title={label}
      onClick={() => onChange(!isOn)}
    >
      <Icon name={icon} />
    </button>
  );
}

/** Projects and agents of all sessions; models and hosts of those that are loaded. */
function useKnownValues(sessions: readonly Session[]): KnownValues {
  const facets = useFacets();
  return useMemo(() => {
    const distinct = (read: (session: Session) => string | null) =>
      [...new Set(sessions.map(read))].filter((value) => value !== null).map((value) => ({ value }));
    return {
      project: facets?.projects.map(({ project_dir, count }) => ({ value: project_dir, count })) ?? [],
      agent: facets?.agents.map(({ agent, count }) => ({ value: agent, count })) ?? [],
      model: distinct(({ model }) => model),
      host: distinct(({ host }) => host),
    };
  }, [facets, sessions]);
}
