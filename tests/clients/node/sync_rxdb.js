// Two replicas of RxDB that sync through Delta: node sync_rxdb.js URL KEY
// Prints what both and the server hold in the end; "restart" on the way, and waits for a line.

import { createRxDatabase } from "rxdb";
import { replicateRxCollection } from "rxdb/plugins/replication";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { Subject } from "rxjs";
import { equal, Line, pause, until } from "./replica.js";

const schema = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: { id: { type: "string", maxLength: 100 }, body: { type: "string" }, n: { type: "number" } },
  required: ["id"],
};

class Replica {
  line = new Line();
  resyncs = 0;

  static async open(name) {
    const replica = new Replica();
    const db = await createRxDatabase({ name, storage: getRxStorageMemory(), multiInstance: false });
    replica.name = name;
    replica.notes = (await db.addCollections({ notes: { schema } })).notes;
    await replica.start();
    return replica;
  }

  async start() {
    const stream$ = new Subject();
    this.following = new AbortController();
    this.replication = replicateRxCollection({
      collection: this.notes,
      replicationIdentifier: "delta",
      live: true,
      retryTime: 30,
      pull: {
        batchSize: 3,
        stream$,
        handler: (checkpoint, limit) =>
          this.line.ask(`/v1/sync/notes/rxdb/pull?cursor=${checkpoint?.cursor ?? ""}&limit=${limit}`),
      },
      push: { batchSize: 3, handler: (rows) => this.line.ask(`/v1/sync/notes/rxdb/push?device_id=${this.name}`, rows) },
    });
    this.replication.error$.subscribe((error) => {
      const causes = error.parameters.errors ?? [];
      if (causes.some((cause) => JSON.stringify(cause).includes("RESYNC_REQUIRED"))) this.isBehind = true;
    });
    void this.line.follow("/v1/sync/notes/rxdb/stream", this.following.signal, (data) => stream$.next(JSON.parse(data)));
    await this.replication.awaitInitialReplication();
  }

  async restart() {
    this.isBehind = false;
    this.following.abort();
    await this.replication.remove();
    await this.start();
  }

  async all() {
    const found = await this.notes.find().exec();
    return Object.fromEntries(found.map((doc) => [doc.id, doc.body]).sort());
  }

  async write(id, body) {
    await this.notes.incrementalUpsert({ id, body });
  }

  async remove(id) {
    await (await this.notes.findOne(id).exec()).incrementalRemove();
  }

  comeOnline() {
    this.line.online = true;
    this.replication.reSync();
  }
}

async function server() {
  const found = {};
  let cursor = "";
  for (;;) {
    const page = await new Line().ask(`/v1/sync/notes/delta?cursor=${cursor}`.replace(/\?cursor=$/, ""));
    for (const change of page.changes) {
      if (change.operation === "delete") delete found[change.record_id];
      else found[change.record_id] = change.data.body;
    }
    if (!page.has_more) return Object.fromEntries(Object.entries(found).sort());
    cursor = page.next_cursor;
  }
}

async function converged(what, wanted) {
  await until(what, async () => {
    const states = [await a.all(), await b.all(), await server()].map((state) => JSON.stringify(state));
    return states[0] === states[1] && states[1] === states[2] && (!wanted || states[0] === JSON.stringify(wanted));
  });
}

const a = await Replica.open("tab-a");
const b = await Replica.open("tab-b");

for (let i = 0; i < 8; i += 1) await a.write(`n${i}`, "first");
await converged("what one wrote", Object.fromEntries([...Array(8).keys()].map((i) => [`n${i}`, "first"])));

a.line.online = b.line.online = false;
await a.write("n0", "by a");
await a.write("a1", "new at a");
await a.remove("n1");
await a.write("short", "lived");
await a.remove("short");
await b.write("n0", "by b");
await b.write("n2", "by b");
await b.write("n1", "an edit of what is deleted");
await b.write("b1", "new at b");
a.comeOnline();
await until("a's edits", async () => (await server()).n0 === "by a" && !("n1" in (await server())));
b.comeOnline();
await converged("after edits on both sides");
const { n0, n1, n2, a1, b1, short } = await server();
equal("who was first wins, what is deleted stays so", [n0, n1, n2, a1, b1, short],
  ["by a", undefined, "by b", "new at a", "new at b", undefined]);

for (const body of ["on", "off", "on", "off", "on"]) {
  a.line.toLose = b.line.toLose = 2;
  await a.write("switch", body);
  await until(`the switch is ${body}`, async () => (await server()).switch === body);
  await converged(`with lost answers, ${body}`);
}
a.line.toLose = 1;
await a.write("n3", "its answer was lost");
await until("the change whose answer got lost", async () => (await b.all()).n3 === "its answer was lost");
await b.write("n3", "by b, on that");
await converged("a lost answer, then another's change");
equal("what was made on it", (await server()).n3, "by b, on that");

// A new replication pushes every document as new, one that was deleted meanwhile among them.
b.line.online = false;
b.following.abort();
await a.remove("n4");
await a.write("n5", "edited while b was away");
await until("the deletion", async () => !("n4" in (await server())));
b.line.online = true;
await b.restart();
await converged("after a new replication");
equal("the deleted did not rise again", [(await server()).n4, (await server()).n5], [undefined, "edited while b was away"]);

await pause("restart");
a.isBehind = b.isBehind = false;
a.comeOnline();
b.comeOnline();
await until("cursors of another epoch are refused", () => a.isBehind && b.isBehind);
await a.restart();
await b.restart();
await a.write("n6", "after the resync");
await b.remove("n7");
await converged("after a full resync");
equal("both go on", [(await server()).n6, (await server()).n7], ["after the resync", undefined]);

process.stdout.write(`${JSON.stringify({ records: await server(), lost: a.line.lost + b.line.lost })}\n`);
process.exit(0);
