import { useMemo, useSyncExternalStore } from "react";
import { flushSync } from "react-dom";
import { parseRoute, type Route } from "../text/address/route";

function watch(watcher: () => void): () => void {
  window.addEventListener("hashchange", watcher);
  return () => window.removeEventListener("hashchange", watcher);
}

export function useRoute(): Route {
  const hash = useSyncExternalStore(watch, () => window.location.hash);
  return useMemo(() => parseRoute(hash), [hash]);
}

export function goTo(link: string): void {
  window.location.hash = link;
}

/** Go to a view that is there when this returns, so that the next key already belongs to it. */
export function goToAtOnce(link: string): void {
  window.history.pushState(null, "", link);
  flushSync(() => window.dispatchEvent(new HashChangeEvent("hashchange")));
}

/** Change the address without a new step in the browser's history, for example while the reader types. */
export function replaceRoute(link: string): void {
  window.history.replaceState(window.history.state, "", link);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}
