#!/usr/bin/env bash
# RxDB's replication (17.6.0) ends a pull at a page with fewer documents than batchSize, and drops every "RESYNC" of its
# stream$ that came before that page was asked for, since it takes the page for newer than the message. A server whose
# later pages end where its first page's view ended (a frozen window) so leaves a change that was made between two pages
# unseen, until something else changes. Seen: pages of 3 and 1, and the fifth document never asked for; with pages that
# show what is there when they are asked for, 3 and 2.
# Exits with 1 when this is no longer so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"type": "module"}' > package.json
npm install --silent --no-audit --no-fund rxdb@17.6.0 rxjs@7.8.2
cat > pull.js <<'JS'
import { createRxDatabase } from "rxdb";
import { replicateRxCollection } from "rxdb/plugins/replication";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { Subject } from "rxjs";

const schema = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: { id: { type: "string", maxLength: 10 } },
  required: ["id"],
};

/** A server with four documents, to which a fifth is added while the first page is on its way. */
async function seen(isFrozen) {
  const documents = ["d1", "d2", "d3", "d4"].map((id) => ({ id, _deleted: false }));
  const stream$ = new Subject();
  const asked = [];
  const db = await createRxDatabase({ name: `db${isFrozen}`, storage: getRxStorageMemory(), multiInstance: false });
  const { notes } = await db.addCollections({ notes: { schema } });
  const replication = replicateRxCollection({
    collection: notes,
    replicationIdentifier: "finding",
    live: true,
    pull: {
      batchSize: 3,
      stream$,
      handler: async (checkpoint, limit) => {
        const { after, until } = checkpoint ?? { after: 0, until: documents.length };
        const end = isFrozen && after < until ? until : documents.length;
        const page = documents.slice(after, Math.min(after + limit, end));
        asked.push(page.length);
        if (asked.length === 1) {
          documents.push({ id: "d5", _deleted: false });
          stream$.next("RESYNC");
          await new Promise((done) => setTimeout(done, 100));
        }
        return { documents: page, checkpoint: { after: after + page.length, until } };
      },
    },
  });
  await replication.awaitInitialReplication();
  await new Promise((done) => setTimeout(done, 2000));
  const ids = (await notes.find().exec()).map((doc) => doc.id).sort();
  return { ids: ids.join(" "), pages: asked.join(" ") };
}

const frozen = await seen(true);
const open = await seen(false);
console.log("RxDB 17.6.0, batchSize 3, d5 and RESYNC come while the first page is on its way");
console.log(`pages end where the first view ended: pages of ${frozen.pages}, the client has ${frozen.ids}`);
console.log(`pages show what is there: pages of ${open.pages}, the client has ${open.ids}`);
process.exit(frozen.ids === "d1 d2 d3 d4" && open.ids === "d1 d2 d3 d4 d5" ? 0 : 1);
JS
node pull.js
