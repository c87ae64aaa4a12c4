import { useEffect, useEffectEvent, useState } from "react";
import { loadSessions } from "../api/routes";
import { useSeenMarks } from "../feed/seen-marks-provider";
import { useActs } from "../feed/use-acts";
import { seekBeside, useSoughtBeside } from "../hooks/seek-beside";
import type { Route } from "../text/address/route";
import { StopDialog } from "../ui/stop-dialog";
import { useToasts } from "../ui/toasts";
import { defaultFilter, type Session, takesRequests } from "../wire";
import { BesideDialog } from "./beside-dialog";
import { PaletteDialog } from "./palette-dialog";

/** Ctrl K: one box that finds sessions and events, and acts. */
export function Palette({ route }: { route: Route }) {
  const [isOpen, setOpen] = useState(false);
  const [stopping, setStopping] = useState<readonly Session[]>([]);
  const beside = useSoughtBeside();
  const acts = useActs();
  const marks = useSeenMarks();
  const { show } = useToasts();

  const onKey = useEffectEvent((event: KeyboardEvent) => {
    const isKey = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key === "k";
    if (!isKey) return;
    event.preventDefault(); // a browser would go to its own search box
    if (document.querySelector("dialog[open]") === null) setOpen(true);
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(event);
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);

  async function stopAll(): Promise<void> {
    const open = await loadSessions({ ...defaultFilter, state: ["running", "waiting"], archived: "all" });
    const running = open.filter(takesRequests);
    if (running.length === 0) show({ text: "Nothing is running." });
    setStopping(running);
  }

  return (
    <>
      {isOpen && (
        <PaletteDialog
          shownId={route.view === "session" ? route.sessionId : null}
          onStopAll={stopAll}
          onMarkAllSeen={marks.markAll}
          onClose={() => setOpen(false)}
        />
      )}
      {beside && <BesideDialog session={beside} onClose={() => seekBeside(null)} />}
      {stopping.length > 0 && (
        <StopDialog sessions={stopping} onClose={() => setStopping([])} onStop={acts.stop} />
      )}
    </>
  );
}
