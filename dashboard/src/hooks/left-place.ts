/** The places at which lists and timelines were left, so that every way back to them leads there.
 *
 * A place belongs to its step in the browser's history. A link that leads to the view again is a new step: it gets the
 * newest place of the view. Places live in the session storage of the tab, as a reload also comes back to them.
 */

import { useEffectEvent, useLayoutEffect, useState } from "react";
import { sessionsLink } from "../text/route";
import { isRecord } from "../wire";

const KEY = "agent-session-manager.places";
const LIST_KEY = "agent-session-manager.list";
const MAX_PLACES = 50;

interface LeftPlace {
  readonly step: string;
  readonly view: string;
  readonly place: unknown;
}

/** Return the place at which this view was left; a view whose address names a place has only that of its own step. */
export function usePlaceLeft<Place>(view: string, isNamed: boolean): Place | null {
  const [place] = useState(() => {
    const step = stepKey();
    const left = leftPlaces().filter((each) => each.view === view);
    return left.findLast((each) => each.step === step) ?? (isNamed ? undefined : left.at(-1));
  });
  return (place?.place ?? null) as Place | null;
}

/** Keep the place of this view when it is left; null for the place where it begins. */
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

/** Keep the address of the list on the screen: from a session, "Sessions" leads back to it. */
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
    return []; // written by something else that was served at this address
  }
}

/** The name of the step in the browser's history that is on the screen; the browser keeps it with the step. */
function stepKey(): string {
  const state: unknown = window.history.state;
  if (isRecord(state) && typeof state.step === "string") return state.step;
  const step = String(performance.timeOrigin + performance.now());
  window.history.replaceState({ step }, "");
  return step;
}
