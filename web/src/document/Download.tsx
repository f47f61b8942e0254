import type { VNode } from "preact";
import { useState } from "preact/hooks";

import { raw } from "../api";
import { Icon } from "../parts/Icon";
import { announce } from "../state/announce";
import type { Span } from "../time/bars";
import { type MenuItem, RowMenu } from "./RowMenu";
import { type Source, type Version, versionLines } from "./requests";

/** The document, the versions of the stretch that is seen, and what this version changed. */
export function Download({
  source,
  version,
  seen,
}: {
  source: Source;
  version: Version | null;
  seen: Span | null;
}): VNode {
  const [at, setAt] = useState<{ x: number; y: number } | null>(null);
  const items = version ? itemsOf(source, version, seen) : [];
  return (
    <>
      <button
        class="btn"
        type="button"
        aria-haspopup="menu"
        disabled={!version}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          setAt({ x: box.right - 220, y: box.bottom + 6 });
        }}
      >
        <Icon name="download" />
        Download
      </button>
      {at && <RowMenu at={at} items={items} onClose={() => setAt(null)} />}
    </>
  );
}

function itemsOf({ project, endpoint }: Source, version: Version, seen: Span | null): MenuItem[] {
  const stamp = new Date(version.ms).toISOString().replaceAll(":", "").slice(0, 17);
  return [
    {
      name: "This document",
      act: () =>
        void save(`${endpoint}-${stamp}.json`, () =>
          raw("/v1/snapshots/{snapshot_id}/data", { in: project, path: { snapshot_id: version.id } }),
        ),
    },
    {
      name: seen ? "The versions of this stretch, as NDJSON" : "All versions, as NDJSON",
      act: () =>
        void save(`${endpoint}.ndjson`, async () => new Response(await versionLines({ project, endpoint }, seen))),
    },
    {
      name: "What it changed, as JSON Patch",
      act: () =>
        void save(`${endpoint}-${stamp}.patch.json`, () =>
          raw("/v1/deltas/{delta_id}", {
            in: project,
            path: { delta_id: version.id },
            query: { format: "json-patch" },
          }),
        ),
    },
  ];
}

/** The session is no cookie that a link would carry, so the answer is fetched and handed to the browser as a file. */
async function save(name: string, fetched: () => Promise<Response>): Promise<void> {
  announce(`Downloading ${name}`);
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await (await fetched()).blob());
    link.download = name.replace(/[^\w.-]+/g, "_");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    announce(`The download failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}
