import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { isPassing } from "./api/errors";
import { joinTabs } from "./api/token";
import { App } from "./app";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/questions.css";
import "./styles/shell.css";
import { parseRoute } from "./text/address/route";
import { applyTheme, keptTheme } from "./ui/theme";
import { ToastProvider } from "./ui/toasts";
import { loadView, loadViewsInAdvance } from "./views";

applyTheme(keptTheme());
joinTabs();

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always",
      retry: (failures, error) => isPassing(error) && failures < 5,
      retryDelay: (attempt) => Math.min(8000, 400 * 2 ** attempt),
      refetchOnWindowFocus: false,
    },
  },
});

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root");
await loadView(parseRoute(window.location.hash));
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <ToastProvider>
        <App />
      </ToastProvider>
    </QueryClientProvider>
  </StrictMode>,
);
loadViewsInAdvance();
