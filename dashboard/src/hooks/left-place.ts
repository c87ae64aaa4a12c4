/** The places (scroll positions) at which lists and timelines were left; a return to a view restores its place.
 *
 * A place belongs to a step in the browser's history. A link to the view creates a new step, which gets the newest
 * place of the view. Places are in the tab's session storage, so that they survive a reload.
 */

import { useEffectEvent, useLayoutEffect, useState } from "react";
import { sessionsLink } from "../text/address/route";
import { isRecord } from "../wire";

const KEY = "agent-session-manager.places";
const LIST_KEY = "agent-session-manager.list";
const MAX_PLACES = 50;

interface LeftPlace {
  readonly step: string;
  readonly view: string;
  readonly place: unknown;
}

/** Return the place at which this view was left. If the address names a place, use only that of the same step. */
export function usePlaceLeft<Place>(view: string, isNamed: boolean): Place | null {
  const [place] = useState(() => {
    const step = stepKey();
    const left = leftPlaces().filter((each) => each.view === view);
    return left.findLast((each) => each.step === step) ?? (isNamed ? undefined : left.at(-1));
  });
  return (place?.place ?? null) as Place | null;
}

/** Store the place of this view when it is left; null means the start of the view. */
export function useKeepPlace(view: string, placeNow: () => unknown): void {
  const now = useEffectEvent(placeNow);
  useLayoutEffect(() => {
    const step = stepKey();
    const keep = () => {
      const others = leftPlaces().filter((each) => each.view !== view || each.step !== step);
      const kept = [...others, { step, view, place: now() }].slice(-MAX_PLACES);
      sessionStorage.setItem(KEY, JSON.stringify(kept));
    };
    window.addEventListener("pagehide", keep);
    return () => {
      window.removeEventListener("pagehide", keep);
      keep();
    };
  }, [view]);
}

/** Store the address of the visible list, so that "Sessions" in a session leads back to it. */
export function useNoteList(link: string): void {
  useLayoutEffect(() => sessionStorage.setItem(LIST_KEY, link), [link]);
}

export function lastList(): string {
  return sessionStorage.getItem(LIST_KEY) ?? sessionsLink();
}

function leftPlaces(): readonly LeftPlace[] {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "[]") as readonly LeftPlace[];
  } catch {
    return []; // another program at this address wrote it
  }
}

/** Return the name of the current step in the browser's history; the browser stores it with the step. */
function stepKey(): string {
  const state: unknown = window.history.state;
  if (isRecord(state) && typeof state.step === "string") return state.step;
  const step = String(performance.timeOrigin + performance.now());
  window.history.replaceState({ step }, "");
  return step;
}
