import { defineConfig } from "vitest/config";
import { budget } from "./tools/budget.ts";
import { precompress } from "./tools/precompress.ts";

const server = process.env.DELTA_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [budget(80_000), precompress()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // the Content-Security-Policy has no data:
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // A file takes as long to ask for as 20 kB to come: what several pages share are two files, not thirty.
    rolldownOptions: {
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [
            { name: "main", tags: ["$initial"], priority: 3 },
            { name: "charts", test: /\/(uplot|charts)\//, minShareCount: 2, priority: 2 },
            { name: "parts", minShareCount: 4, maxModuleSize: 12_000, priority: 1 },
          ],
        },
      },
    },
  },
  worker: { format: "es" },
  server: { proxy: { "/v1": { target: server, changeOrigin: false }, "/docs": server } },
  // One world for all files: a fifth of the time. They pass in any order (npx vitest run --sequence.shuffle).
  test: { include: ["src/**/*.test.ts", "src/**/*.test.tsx"], isolate: false, unstubGlobals: true },
});
