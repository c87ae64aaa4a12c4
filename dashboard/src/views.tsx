import { type ComponentType, useEffect, useState } from "react";
import type { Route } from "./text/address/route";

/** The views whose code is a file of its own, so that a page loads only the code that it needs. The search is not one
 * of them, because its box takes the keys that follow the one that leads to it. */
export const VIEWS = {
  now: fileOf(async () => (await import("./now/now-view")).NowView),
  cost: fileOf(async () => (await import("./cost/cost-view")).CostView),
  sessions: fileOf(async () => (await import("./session-list/sessions-view")).SessionsView),
  session: fileOf(async () => (await import("./session-page/session-view")).SessionView),
  beside: fileOf(async () => (await import("./beside/beside-view")).BesideView),
};
/** Cost is not loaded in advance: it loads the code of its plots when it is shown. */
const IN_ADVANCE = [VIEWS.now, VIEWS.sessions, VIEWS.session];

/** Load the view of a route. It is done also if that fails: the view then shows the error. */
export async function loadView(route: Route): Promise<void> {
  if (route.view in VIEWS) await Promise.allSettled([VIEWS[route.view as keyof typeof VIEWS].load()]);
}

/** Load the other views while the browser is idle, so that going to one does not wait. */
export function loadViewsInAdvance(): void {
  const load = () => void Promise.allSettled(IN_ADVANCE.map((view) => view.load()));
  if ("requestIdleCallback" in window) window.requestIdleCallback(load);
  else setTimeout(load);
}

interface ViewFile<Props> {
  /** Null before it is loaded. */
  readonly view: () => ComponentType<Props> | null;
  readonly load: () => Promise<void>;
}

function fileOf<Props>(read: () => Promise<ComponentType<Props>>): ViewFile<Props> {
  let view: ComponentType<Props> | null = null;
  return {
    view: () => view,
    load: async () => {
      view ??= await read();
    },
  };
}

interface ViewProps<Props> {
  readonly file: ViewFile<Props>;
  readonly props: Props;
}

/** Show a view, and load its code before if needed. It is not a lazy component, because React delays what follows the
 * fallback of one. */
export function View<Props extends object>({ file, props }: ViewProps<Props>) {
  const [, setLoads] = useState(0);
  const [failure, setFailure] = useState<{ readonly error: unknown } | null>(null);
  useEffect(() => {
    if (file.view() === null)
      file.load().then(
        () => setLoads((count) => count + 1),
        (error: unknown) => setFailure({ error }),
      );
  }, [file]);
  if (failure) throw failure.error;
  const Loaded = file.view();
  if (Loaded === null) return <div className="loading" role="status" aria-label="Loading the view" />;
  return <Loaded {...props} />;
}
