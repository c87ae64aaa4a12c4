import { type RefObject, useEffect, useRef, useState } from "react";
import { useKeys } from "../hooks/use-keys";
import type { NowRow } from "../state/lists/now";
import { isSeeable } from "../text/attention";
import { takesRequests } from "../wire";
import type { RowActs } from "./now-row";

interface NowKeys {
  readonly page: RefObject<HTMLDivElement | null>;
  readonly rows: readonly NowRow[];
  readonly acts: RowActs;
  readonly hasChosen: boolean;
  stopChosen(): void;
  markChosen(): void;
  setOpen(change: (before: ReadonlySet<string>) => ReadonlySet<string>): void;
}

/** Where an answer begins, in the order of preference. */
const CHOICES = [".option input", ".choices button:enabled", ".question-text input"] as const;

/** The keys of the page. They act on the row that has the focus, or on the selected rows. */
export function useNowKeys({ page, rows, acts, hasChosen, stopChosen, markChosen, setOpen }: NowKeys): void {
  const elements = () => [...(page.current?.querySelectorAll<HTMLElement>(".now-row") ?? [])];
  const focused = () => elements().find((row) => row.contains(document.activeElement));
  const current = () => rows.find(({ session }) => session.session_id === focused()?.dataset.sessionId);
  // A button that is disabled after it was pressed loses the focus: the next step begins at its row.
  const last = useRef<string | null>(null);
  useEffect(() => {
    const note = ({ target }: FocusEvent) => {
      const row = target instanceof HTMLElement ? target.closest<HTMLElement>(".now-row") : null;
      if (row) last.current = row.dataset.sessionId ?? null;
    };
    window.addEventListener("focusin", note);
    return () => window.removeEventListener("focusin", note);
  }, []);
  const step = (by: number) => {
    const all = elements();
    const at = all.findIndex(({ dataset }) => dataset.sessionId === last.current);
    all[Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
  };
  const [answering, setAnswering] = useState<string | null>(null);
  useEffect(() => {
    if (answering === null) return;
    const row = elements().find(({ dataset }) => dataset.sessionId === answering);
    const found = CHOICES.map((choice) => row?.querySelector<HTMLElement>(choice)).find(Boolean);
    found?.focus();
    if (found || row?.dataset.kind !== "asks") setAnswering(null); // else its question is being loaded
  });
  const choose = (place: number) => {
    const card =
      document.activeElement?.closest(".question-card") ?? focused()?.querySelector(".question-card");
    card?.querySelectorAll<HTMLElement>(".choices button, .option input")[place]?.focus();
  };
  const withRow = (act: (row: NowRow) => void) => () => {
    const row = current();
    if (row) act(row);
  };
  const [next, previous] = [() => step(1), () => step(-1)];
  useKeys({
    j: next,
    k: previous,
    ArrowDown: next,
    ArrowUp: previous,
    a: withRow(({ session }) => {
      if (session.attention?.kind !== "asks") return;
      setOpen((before) => new Set([...before, session.session_id]));
      setAnswering(session.session_id);
    }),
    x: withRow(({ session }) => acts.onSelect(session)),
    s: hasChosen
      ? stopChosen
      : withRow(({ session }) => {
          if (takesRequests(session)) acts.onStop(session);
        }),
    u: hasChosen
      ? markChosen
      : withRow((row) => {
          if (isSeeable(row.session)) acts.onSeen(row);
        }),
    ".": () => {
      const menu = focused()?.querySelector<HTMLDetailsElement>(".row-menu");
      if (!menu) return;
      menu.open = true;
      menu.querySelector<HTMLElement>(".row-menu-acts button")?.focus();
    },
    ...Object.fromEntries(Array.from({ length: 9 }, (_, place) => [String(place + 1), () => choose(place)])),
  });
}
