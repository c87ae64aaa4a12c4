import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { listQuestions } from "../api/routes";
import type { OpenQuestion } from "../wire";

/** The query key of the open questions. */
export const QUESTIONS = "questions";

const POLL_MS = 5000;
const NONE: readonly OpenQuestion[] = [];

export interface Questions {
  readonly questions: readonly OpenQuestion[];
  readonly hasMore: boolean;
  readonly error: Error | null;
  readonly isLoading: boolean;
}

/** The open questions of all sessions. The feed of the list reloads them; without it they are polled. */
export function useQuestions(): Questions {
  const query = useQuery({
    queryKey: [QUESTIONS],
    queryFn: ({ signal }) => listQuestions(signal),
    refetchInterval: POLL_MS,
  });
  return {
    questions: query.data?.questions ?? NONE,
    hasMore: Boolean(query.data?.next_page),
    error: query.error,
    isLoading: query.isPending,
  };
}

/** Return a function that reloads the open questions. */
export function useReloadQuestions(): () => void {
  const queries = useQueryClient();
  return useCallback(() => void queries.invalidateQueries({ queryKey: [QUESTIONS] }), [queries]);
}
