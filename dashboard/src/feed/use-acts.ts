import { useEffect, useRef, useState } from "react";
import { explain } from "../api/errors";
import { archiveSession, deleteSession, requestStop } from "../api/routes";
import { forEach } from "../state/each";
import { plural } from "../text/format";
import { useToasts } from "../ui/toasts";
import { isRunning, type Session } from "../wire";
import { useSessionsFeed } from "./sessions-feed-provider";

/** An action on sessions that takes a while. */
export interface Progress {
  readonly done: number;
  readonly count: number;
  cancel(): void;
}

export interface Acts {
  readonly progress: Progress | null;
  stop(sessions: readonly Session[]): Promise<void>;
  archive(sessions: readonly Session[], isArchived: boolean): Promise<void>;
  remove(sessions: readonly Session[]): Promise<void>;
}

/** Number of answers to show at once; the feed reports those of more. */
const MAX_LEARNT = 100;

/** Actions on several sessions; a failure for one session does not stop the others. */
export function useActs(): Acts {
  const { changes, learn, forget } = useSessionsFeed();
  const { show } = useToasts();
  const [progress, setProgress] = useState<Progress | null>(null);
  const stopping = useRef<{ readonly ids: readonly string[]; close(): void } | null>(null);

  // Remove the message once all sessions have ended.
  useEffect(() => {
    const { ids, close } = stopping.current ?? { ids: [] };
    const hasEnded = (id: string) => {
      const word = changes.get(id);
      return word !== undefined && (word.session === null || !isRunning(word.session));
    };
    if (close === undefined || !ids.every(hasEnded)) return;
    stopping.current = null;
    close();
  }, [changes]);

  async function act(
    sessions: readonly Session[],
    verb: string,
    one: (session: Session) => Promise<void>,
    undo?: () => void,
  ): Promise<() => void> {
    const abort = new AbortController();
    const shown = { count: sessions.length, cancel: () => abort.abort() };
    setProgress({ ...shown, done: 0 });
    const { done, failed, firstError } = await forEach(sessions, one, abort.signal, (count) =>
      setProgress({ ...shown, done: count }),
    );
    setProgress(null);
    const refused = failed > 0 ? `; ${failed} failed: ${explain(firstError)}` : "";
    return show({ text: `${plural(done, "session")} ${verb}${refused}.`, ...(undo && { undo }) });
  }

  async function archive(sessions: readonly Session[], isArchived: boolean): Promise<void> {
    const learnFrom = sessions.length <= MAX_LEARNT ? learn : () => undefined;
    await act(
      sessions,
      isArchived ? "archived" : "unarchived",
      async ({ session_id }) => learnFrom(await archiveSession(session_id, isArchived)),
      isArchived ? () => void archive(sessions, false) : undefined,
    );
  }

  return {
    progress,
    archive,
    async stop(sessions) {
      const close = await act(sessions, "asked to stop", requestStop);
      stopping.current = { ids: sessions.map(({ session_id }) => session_id), close };
    },
    async remove(sessions) {
      await act(sessions, "deleted", async ({ session_id }) => {
        await deleteSession(session_id, false);
        if (sessions.length <= MAX_LEARNT) forget(session_id);
      });
    },
  };
}
