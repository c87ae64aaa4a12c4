import { useState } from "react";

const KEY = "agent-session-manager.dense";

/** Whether rows are dense; kept for this tab. */
export function useDense(): [isDense: boolean, setDense: (isDense: boolean) => void] {
  const [isDense, setDense] = useState(() => sessionStorage.getItem(KEY) === "yes");
  return [
    isDense,
    (next) => {
      sessionStorage.setItem(KEY, next ? "yes" : "no");
      setDense(next);
    },
  ];
}
