import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { Icon } from "./icons";

interface Toast {
  readonly text: string;
  readonly undo?: () => void;
}

interface Toasts {
  /** Show a toast; return a function that removes it if it is still shown. */
  show(toast: Toast): () => void;
}

const Context = createContext<Toasts | null>(null);
const SHOWN_MS = 8000;

/** Shows one toast at a time: a sentence about the last action, with an undo button if possible. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [toast, setToast] = useState<Toast | null>(null);
  const close = useCallback(() => setToast(null), []);
  const toasts = useMemo<Toasts>(
    () => ({
      show(shown) {
        setToast(shown);
        return () => setToast((current) => (current === shown ? null : current));
      },
    }),
    [],
  );

  useEffect(() => {
    if (toast === null) return;
    const timer = setTimeout(close, SHOWN_MS);
    return () => clearTimeout(timer);
  }, [toast, close]);

  return (
    <Context value={toasts}>
      {children}
      <div className="toasts" role="status" aria-live="polite" data-testid="toasts">
        {toast && (
          <div className="toast">
            <span>{toast.text}</span>
            {toast.undo && (
              <button
                type="button"
                className="button quiet"
                onClick={() => {
                  toast.undo?.();
                  close();
                }}
              >
                Undo
              </button>
            )}
            <button type="button" className="icon-button" aria-label="Close" onClick={close}>
              <Icon name="close" />
            </button>
          </div>
        )}
      </div>
    </Context>
  );
}

export function useToasts(): Toasts {
  const toasts = useContext(Context);
  if (toasts === null) throw new Error("useToasts needs a ToastProvider");
  return toasts;
}
