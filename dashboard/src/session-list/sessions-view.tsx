import { useMemo, useRef, useState } from "react";
import { useSessions } from "../feed/use-sessions";
import { useNoteList } from "../hooks/left-place";
import { useKeys } from "../hooks/use-keys";
import { listFilter } from "../state/lists/filter";
import { NONE_SELECTED } from "../state/lists/selection";
import { type ListAddress, searchLink, sessionsLink } from "../text/address/route";
import type { SessionFilter } from "../wire";
import "../styles/session-list.css";
import { Empty, Failed } from "../ui/empty";
import { FirstSteps } from "../ui/first-steps";
import { Line } from "../ui/text";
import { ListBar } from "./list-bar";
import { SessionTable } from "./table/session-table";
import { useDense } from "./use-dense";

export function SessionsView({ address }: { address: ListAddress }) {
  const { query } = address;
  const link = sessionsLink(address);
  // biome-ignore lint/correctness/useExhaustiveDependencies: equal addresses have equal links
  const { filter, problems } = useMemo(() => listFilter(address), [link]);
  const list = useSessions(filter);
  useNoteList(link);
  const box = useRef<HTMLInputElement>(null);
  const [isDense, setDense] = useDense();
  const [selected, setSelected] = useState({ query, selection: NONE_SELECTED });
  const goToBox = () => box.current?.select();
  useKeys({ f: goToBox, "/": goToBox });

  return (
    <>
      <h1 className="visually-hidden">Sessions</h1>
      <ListBar
        address={address}
        problems={problems}
        box={box}
        sessions={list.sessions}
        isDense={isDense}
        onDense={setDense}
      />
      {list.error && list.sessions.length === 0 ? (
        <Failed error={list.error} retry={list.retry} />
      ) : list.isLoading ? (
        <div className="loading" role="status" aria-label="Loading the sessions" />
      ) : list.sessions.length === 0 ? (
        <NoSessions address={address} filter={filter} />
      ) : (
        <SessionTable
          key={link}
          address={address}
          filter={filter}
          list={list}
          isDense={isDense}
          // What another filter finds is not selected.
          selection={selected.query === query ? selected.selection : NONE_SELECTED}
          onSelect={(selection) => setSelected({ query, selection })}
        />
      )}
    </>
  );
}

function NoSessions({ address, filter }: { address: ListAddress; filter: SessionFilter }) {
  if (address.query.trim() === "") return <FirstSteps />;
  return (
    <Empty title="No session matches the filter.">
      <a className="button" href={sessionsLink({ ...address, query: "" })}>
        Show all
      </a>
      {filter.text !== "" && (
        <a href={searchLink({ query: filter.text })}>
          Search the events for <Line text={filter.text} />
        </a>
      )}
    </Empty>
  );
}
