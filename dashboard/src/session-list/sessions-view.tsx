import { useMemo, useRef, useState } from "react";
import { useNoteList } from "../hooks/left-place";
import { useKeys } from "../hooks/use-keys";
import { replaceRoute } from "../hooks/use-route";
import { useSessions } from "../hooks/use-sessions";
import { toggled } from "../state/sets";
import { searchLink, sessionsLink } from "../text/route";
import { defaultFilter, type SessionFilter } from "../wire";
import "../styles/session-list.css";
import { Empty, Failed } from "../ui/empty";
import { FirstSteps } from "../ui/first-steps";
import { Line } from "../ui/text";
import { FilterBar } from "./filter-bar";
import { SelectionBar } from "./selection-bar";
import { SessionTable } from "./session-table";

export function SessionsView({ filter }: { filter: SessionFilter }) {
  const filterKey = sessionsLink(filter);
  const list = useSessions(filter);
  useNoteList(filterKey);
  const textInput = useRef<HTMLInputElement>(null);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  useKeys({ f: () => textInput.current?.focus() });

  const chosen = useMemo(
    () => list.sessions.filter((session) => selected.has(session.session_id)),
    [list.sessions, selected],
  );

  return (
    <>
      <h1 className="visually-hidden">Sessions</h1>
      <FilterBar
        filter={filter}
        textInput={textInput}
        onChange={(next) => replaceRoute(sessionsLink(next))}
      />
      {chosen.length > 0 && <SelectionBar sessions={chosen} onClear={() => setSelected(new Set())} />}
      {list.error && list.sessions.length === 0 ? (
        <Failed error={list.error} retry={list.retry} />
      ) : list.isLoading ? (
        <div className="loading" role="status" aria-label="Loading the sessions" />
      ) : list.sessions.length === 0 ? (
        <NoSessions
          text={filter.text.trim()}
          isFiltered={
            filterKey !== sessionsLink({ ...defaultFilter, sort: filter.sort, grouped: filter.grouped })
          }
        />
      ) : (
        <SessionTable
          key={filterKey}
          link={filterKey}
          list={list}
          isGrouped={filter.grouped}
          selected={selected}
          onToggle={(sessionId) => setSelected(toggled(selected, sessionId))}
        />
      )}
    </>
  );
}

function NoSessions({ isFiltered, text }: { isFiltered: boolean; text: string }) {
  if (isFiltered) {
    return (
      <Empty title="No session matches the filter.">
        <a className="button" href={sessionsLink()}>
          Show all
        </a>
        {text !== "" && (
          <a href={searchLink({ query: text })}>
            Search the events for <Line text={text} />
          </a>
        )}
      </Empty>
    );
  }
  return <FirstSteps />;
}
