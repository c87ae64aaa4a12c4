import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";

const PACKAGE = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;
const NOTICE = /^(?:licen[cs]e|copying|notice)/i;

/** Write `licences.txt`: the licence of each package whose code is in the bundle. */
export function licences(): Plugin {
  return {
    name: "licences",
    generateBundle(_options, bundle) {
      const homes = new Set<string>();
      for (const file of Object.values(bundle)) {
        for (const id of file.type === "chunk" ? Object.keys(file.modules) : []) {
          const home = PACKAGE.exec(id)?.[0];
          if (home) homes.add(home.replace("\0", ""));
        }
      }
      const source = [...homes].map(noticeOf).sort().join("\n\n");
      this.emitFile({ type: "asset", fileName: "licences.txt", source: `${source}\n` });
    },
  };
}

function noticeOf(home: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const files = readdirSync(home).filter((file) => NOTICE.test(file));
  if (!files.length) throw new Error(`${name} ${version} is bundled and has no licence file`);
  const texts = files.map((file) => readFileSync(join(home, file), "utf8").trim());
  return [`${name} ${version} (${license})`, ...texts].join("\n\n");
}
