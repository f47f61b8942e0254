import { gzipSync } from "node:zlib";
import type { Plugin, Rolldown } from "vite";

/** Fails the build when the JavaScript of a first load, compressed by gzip, is more than `most` bytes. */
export function budget(most: number): Plugin {
  return {
    name: "budget",
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((item) => item.type === "chunk");
      const first = closure(chunks);
      const size = first.reduce((sum, chunk) => sum + gzipSync(chunk.code, { level: 9 }).length, 0);
      this.info(`first load: ${(size / 1000).toFixed(1)} kB of JavaScript, of ${most / 1000}`);
      if (size > most) {
        const files = first.map((chunk) => chunk.fileName).join(", ");
        this.error(`the first load is ${size} bytes of compressed JavaScript, more than ${most}: ${files}`);
      }
    },
  };
}

/** The entry and what it imports, directly or through others. */
function closure(chunks: Rolldown.OutputChunk[]): Rolldown.OutputChunk[] {
  const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  const found = new Set<Rolldown.OutputChunk>();
  const visit = (chunk: Rolldown.OutputChunk | undefined) => {
    if (!chunk || found.has(chunk)) return;
    found.add(chunk);
    for (const name of chunk.imports) visit(byName.get(name));
  };
  for (const chunk of chunks) if (chunk.isEntry) visit(chunk);
  return [...found];
}
