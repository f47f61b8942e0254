// Two replicas of WatermelonDB that sync through Delta: node sync_watermelon.js URL KEY
// Prints what both and the server hold in the end; "restart" on the way, and waits for a line.

import watermelon from "@nozbe/watermelondb";
import loki from "@nozbe/watermelondb/adapters/lokijs/index.js";
import lokiMemory from "@nozbe/watermelondb/node_modules/lokijs/src/lokijs.js";
import sync from "@nozbe/watermelondb/sync/index.js";
import { equal, Line, pause } from "./replica.js";

const { appSchema, Database, Model, tableSchema } = watermelon;
const columns = [
  { name: "body", type: "string" },
  { name: "n", type: "number", isOptional: true },
];
const tables = ["notes", "tags"];
const schema = appSchema({ version: 1, tables: tables.map((name) => tableSchema({ name, columns })) });
const silent = { log: () => {}, warn: () => {}, error: () => {} };
Object.assign(console, silent);

const classes = tables.map((name) => class extends Model { static table = name; });

class Replica {
  line = new Line();
  beforePush = async () => {};

  constructor(name) {
    this.name = name;
    const adapter = new loki.default({
      dbName: name,
      schema,
      useWebWorker: false,
      useIncrementalIndexedDB: true,
      _testLokiAdapter: new lokiMemory.LokiMemoryAdapter(),
    });
    this.db = new Database({ adapter, modelClasses: classes });
    this.notes = this.db.get("notes");
  }

  sync() {
    return sync.synchronize({
      database: this.db,
      sendCreatedAsUpdated: true,
      pullChanges: ({ lastPulledAt, schemaVersion, migration }) =>
        this.line.ask("/v1/sync/watermelon/pull", { lastPulledAt, schemaVersion, migration, tables }),
      pushChanges: async ({ changes, lastPulledAt }) => {
        await this.beforePush();
        await this.line.ask(`/v1/sync/watermelon/push?device_id=${this.name}`, { changes, lastPulledAt });
      },
    });
  }

  async fails(what, status) {
    try {
      await this.sync();
    } catch (error) {
      if (status === undefined || error.status === status) return;
      throw error;
    }
    throw new Error(`${what} did not fail`);
  }

  create(id, body) {
    return this.db.write(() =>
      this.notes.create((row) => {
        row._raw.id = id;
        row._setRaw("body", body);
      }),
    );
  }

  edit(id, column, value) {
    return this.db.write(async () => (await this.notes.find(id)).update((row) => row._setRaw(column, value)));
  }

  remove(id) {
    return this.db.write(async () => (await this.notes.find(id)).markAsDeleted());
  }

  async all() {
    const rows = await this.notes.query().fetch();
    return Object.fromEntries(rows.map((row) => [row.id, [row._raw.body, row._raw.n]]).sort());
  }
}

const [a, b] = [new Replica("phone-a"), new Replica("phone-b")];

async function converged(what) {
  await a.sync();
  await b.sync();
  await a.sync();
  const pulled = await new Line().ask("/v1/sync/watermelon/pull", { lastPulledAt: null, tables });
  const server = pulled.changes.notes.updated.map((row) => [row.id, [row.body, row.n]]).sort();
  equal(`${what}: a and b`, await a.all(), await b.all());
  equal(`${what}: a and the server`, await a.all(), Object.fromEntries(server));
  for (const replica of [a, b]) {
    if (await sync.hasUnsyncedChanges({ database: replica.db })) throw new Error(`${what}: ${replica.name} is not done`);
  }
  return a.all();
}

for (let i = 0; i < 5; i += 1) await a.create(`n${i}`, "first");
await converged("what one wrote");

await a.edit("n0", "body", "by a");
await a.create("a1", "new at a");
await a.remove("n1");
await b.edit("n0", "n", 7);
await b.edit("n1", "body", "an edit of what is deleted");
await b.create("b1", "new at b");
let rows = await converged("after edits on both sides");
equal("edits of two columns", rows.n0, ["by a", 7]);
equal("what is deleted stays so", rows.n1, undefined);

await a.create("c1", "its answer was lost");
await a.edit("n2", "body", "its answer was lost");
a.beforePush = async () => { a.line.toLose = 1; };
await a.fails("a lost answer");
a.beforePush = async () => {};
await b.sync();
await b.edit("c1", "body", "by b, on that");
await b.remove("n2");
await b.sync();
rows = await converged("a lost answer, then another's changes");
equal("nothing came back", [rows.c1, rows.n2], [["by b, on that", null], undefined]);

a.beforePush = async () => { a.line.toLose = 1; };
await a.remove("n3");
await a.fails("the lost answer to a deletion");
a.beforePush = async () => {};
equal("deleted once", (await converged("deleted twice")).n3, undefined);

await a.edit("n4", "body", "by a");
await b.edit("n4", "body", "by b");
a.beforePush = async () => { a.beforePush = async () => {}; await b.sync(); };
await a.fails("a push on what has changed", 409);
rows = await converged("what has changed between pull and push");
equal("who was later has merged", rows.n4, ["by a", null]);

await a.create("twice", "pushed by both");
await Promise.allSettled([a.sync(), a.sync()]);
equal("two syncs at once", (await converged("two syncs at once")).twice, ["pushed by both", null]);

await pause("restart");
await a.edit("n0", "body", "before the resync");
await b.create("b2", "before the resync");
rows = await converged("after a full resync");
equal("both go on", [rows.n0, rows.b2], [["before the resync", 7], ["before the resync", null]]);

process.stdout.write(`${JSON.stringify({ records: rows, lost: a.line.lost })}\n`);
process.exit(0);
