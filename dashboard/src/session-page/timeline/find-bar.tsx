import { useInfiniteQuery } from "@tanstack/react-query";
import { type RefObject, useEffect, useEffectEvent, useMemo, useState } from "react";
import { explain } from "../../api/errors";
import { searchEvents } from "../../api/routes";
import { nearest, SHOWN, SHOWN_WORDS, type Shown } from "../../state/session/outline";
import { eventNumber } from "../../text/address/event-number";
import { oneOf } from "../../text/address/route";
import { wholeNumber } from "../../text/format";
import { IconButton } from "../../ui/icon-button";
import { defaultSearch } from "../../wire";

interface FindBarProps {
  readonly sessionId: string;
  readonly head: number;
  readonly shown: Shown;
  /** The only events to find; null for all. */
  readonly within: ReadonlySet<number> | null;
  readonly input: RefObject<HTMLInputElement | null>;
  onShow(shown: Shown): void;
  /** Go to an event; `words` are marked in it. */
  onGo(seq: number, words?: string): void;
  onEnds(end: "start" | "end"): void;
  /** The seq at which the reader is. */
  here(): number;
}

const MAX_HITS = 1000;
const HITS_AT_ONCE = 100;

/** Finds words in all events of a session, or an event by its number, as in `:41`; and filters the rows. */
export function FindBar(props: FindBarProps) {
  const { sessionId, head, shown, input, onShow, onEnds } = props;
  const [typed, setTyped] = useState("");
  const [words, setWords] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const found = useHits(sessionId, words, props.within);
  const { hits, error } = found;

  function go(seq: number): void {
    setAt(seq);
    props.onGo(seq, words);
  }

  const goToFirst = useEffectEvent(() => {
    const first = nearest(hits, props.here() - 1, 1) ?? hits[0];
    if (first !== undefined && at === null) go(first);
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each search, when it has hits
  useEffect(() => goToFirst(), [words, hits.length > 0]);

  function step(direction: 1 | -1): void {
    const next = nearest(hits, at ?? props.here(), direction) ?? hits.at(direction === 1 ? 0 : -1);
    if (next !== undefined) go(next);
  }

  function submit(direction: 1 | -1): void {
    const asked = typed.trim();
    const number = eventNumber(asked, head);
    if (number.kind === "number") {
      setWords("");
      props.onGo(number.seq);
      input.current?.blur();
    } else if (number.kind === "problem") setProblem(number.text);
    else if (asked === words) step(direction);
    else {
      setAt(null);
      setWords(asked);
    }
  }

  const told = problem ?? (error && explain(error));
  return (
    <div className="find-bar">
      <search aria-label="Find in session" className="find">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            submit(1);
          }}
        >
          <input
            ref={input}
            type="search"
            aria-label="Find in session"
            aria-invalid={told !== null}
            placeholder="Find in session"
            title="Words in all events, or an event by its number, for example :41 (/)"
            value={typed}
            onChange={(event) => {
              setTyped(event.target.value);
              setProblem(null);
            }}
            onKeyDown={(event) => {
              if (event.key === "Enter" && event.shiftKey) {
                event.preventDefault();
                submit(-1);
              } else if (event.key === "Escape") {
                event.preventDefault();
                setTyped("");
                setWords("");
                setProblem(null);
                event.currentTarget.blur();
              }
            }}
          />
        </form>
        <span role="status" className="find-count number quiet-text">
          {words !== "" && !told && hitsText(found, at)}
        </span>
        {told && (
          <span className="problem" role="alert">
            {told}
          </span>
        )}
        {hits.length > 0 && (
          <>
            <IconButton icon="up" label="Previous hit" keys="Shift+Enter" onClick={() => step(-1)} />
            <IconButton icon="down" label="Next hit" keys="Enter" onClick={() => step(1)} />
          </>
        )}
      </search>
      <label className="show-field">
        <span>Show</span>
        <select value={shown} onChange={(event) => onShow(oneOf(SHOWN, event.target.value) ?? "all")}>
          {SHOWN.map((choice) => (
            <option key={choice} value={choice}>
              {SHOWN_WORDS[choice]}
            </option>
          ))}
        </select>
      </label>
      <IconButton icon="toStart" label="To the start" onClick={() => onEnds("start")} />
      <IconButton icon="toEnd" label="To the end" keys="G" onClick={() => onEnds("end")} />
    </div>
  );
}

/** Return how many hits there are, and which of them is shown, as soon as all are known. */
function hitsText({ hits, isMore, isLoading }: Hits, at: number | null): string {
  if (hits.length === 0) return isLoading ? "…" : "Nothing found";
  const count = wholeNumber(hits.length);
  if (isMore || at === null) return `${count}${isMore ? "+" : ""} hits`;
  return `${wholeNumber(hits.indexOf(at) + 1)} of ${count}`;
}

interface Hits {
  /** The events, in their order. */
  readonly hits: readonly number[];
  readonly isMore: boolean;
  readonly isLoading: boolean;
  readonly error: Error | null;
}

function useHits(sessionId: string, words: string, within: ReadonlySet<number> | null): Hits {
  const query = useInfiniteQuery({
    queryKey: ["find", sessionId, words],
    queryFn: ({ pageParam, signal }) =>
      searchEvents(
        { ...defaultSearch, query: words, kind: "all", session_id: sessionId },
        pageParam,
        signal,
        HITS_AT_ONCE,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_page,
    enabled: words !== "",
    gcTime: 0,
  });
  const { data, hasNextPage, isFetching, fetchNextPage } = query;
  // A page has as many hits as the search found in its time, so the pages can exceed the limit together.
  const found = useMemo(
    () =>
      [...new Set(data?.pages.flatMap((page) => page.hits.map(({ seq }) => seq)))].filter(
        (seq) => within?.has(seq) ?? true,
      ),
    [data, within],
  );
  const hits = useMemo(() => found.slice(0, MAX_HITS).sort((a, b) => a - b), [found]);
  const isShort = words !== "" && hits.length < MAX_HITS;
  useEffect(() => {
    if (isShort && hasNextPage && !isFetching) void fetchNextPage();
  }, [isShort, hasNextPage, isFetching, fetchNextPage]);
  return {
    hits: words === "" ? [] : hits,
    isMore: hasNextPage || found.length > MAX_HITS,
    isLoading: isFetching,
    error: words === "" ? null : query.error,
  };
}
