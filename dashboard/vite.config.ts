import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";
import { licences } from "./licences.ts";

const manager = loadEnv("", ".", "DASHBOARD_").DASHBOARD_MANAGER ?? "http://127.0.0.1:8765";
const routes = ["/sessions", "/search", "/usage", "/facets", "/dashboard", "/health"];

// The manager accepts only its own Host and Origin, but a proxied request has those of the dev server.
const asTheManager = {
  target: manager,
  changeOrigin: true,
  headers: { origin: manager, "sec-fetch-site": "same-origin" },
};

const WATCHDOG_MS = 600_000;

export default defineConfig({
  plugins: [react(), licences()],
  base: "./",
  resolve: {
    alias: {
      // Its build for browsers decodes with innerHTML, which the content security policy forbids.
      "decode-named-character-reference": fileURLToPath(
        new URL("./node_modules/decode-named-character-reference/index.js", import.meta.url),
      ),
    },
  },
  build: {
    outDir: "../src/agent_session_manager/static",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"],
    modulePreload: { polyfill: false },
    // The content security policy permits data: URLs only for images.
    assetsInlineLimit: 0,
  },
  server: { proxy: Object.fromEntries(routes.map((route) => [route, asTheManager])) },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    environment: "node",
    // A test that takes this long has failed; no test depends on the speed of the machine.
    testTimeout: WATCHDOG_MS,
    hookTimeout: WATCHDOG_MS,
  },
});
