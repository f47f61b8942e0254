import { describe, expect, it } from "vitest";
import type { Row } from "./lines.ts";
import { Ledger, WINDOW } from "./model.ts";

const SAME = { head: 26, change: 26 };

function rowAt(n: number): Row {
  const record = Math.floor(n / 4);
  return {
    n,
    op: "replace",
    field: "/items/*/x",
    record: `/items/[id=${record}]`,
    at: `x${n % 4}`,
    old: "1",
    new: "2",
  };
}

function ledgerOf(total: number) {
  const load = async (start: number, count: number) =>
    Array.from({ length: Math.min(count, total - start) }, (_, i) => rowAt(start + i));
  const first = Array.from({ length: Math.min(WINDOW, total) }, (_, i) => rowAt(i));
  return new Ledger({ total, lines: (total / 4) * 5, first, load, placeOf: async (path) => Number(path) }, SAME, false);
}

async function loaded(ledger: Ledger, window: number) {
  ledger.windows.want(window, window);
  for (let i = 0; i < 4; i += 1) await Promise.resolve();
}

describe("Ledger", () => {
  it("shows no more than what is between two pixels", () => {
    const ledger = ledgerOf(20_000);
    const placed = ledger.between(0, 260);
    expect(placed).toHaveLength(10);
    expect(placed.map(({ line }) => line.kind).slice(0, 6)).toEqual([
      "head",
      "change",
      "change",
      "change",
      "change",
      "head",
    ]);
    expect(ledger.geometry.height).toBe(25_000 * 26);
    ledger.close();
  });

  it("numbers lines far down as if all before were here", async () => {
    const ledger = ledgerOf(20_000);
    await loaded(ledger, 50);
    const placed = ledger.between(ledger.geometry.top(50), ledger.geometry.top(50) + 26);
    expect(placed[0]?.number).toBe(50 * 250 + 1);
  });

  it("goes to a row whose window has to come first", async () => {
    const ledger = ledgerOf(1000);
    const went: unknown[] = [];
    ledger.seekRow(3, (cursor) => went.push(cursor));
    ledger.seekRow(402, (cursor) => went.push(cursor));
    expect(went).toEqual([{ window: 0, key: "3" }]);
    for (let i = 0; i < 4; i += 1) await Promise.resolve();
    expect(went[1]).toEqual({ window: 2, key: "402" });
    expect(ledger.pathAt({ window: 2, key: "402" })).toBe("/items/[id=100]/x2");
    expect(ledger.pathAt({ window: 0, key: "0h" })).toBe("/items/[id=0]");
    ledger.close();
  });

  it("moves its cursor over the edge of a window", async () => {
    const ledger = ledgerOf(1000);
    await loaded(ledger, 1);
    const last = ledger.beside({ window: 0, key: "0h" }, 249);
    expect(last).toEqual({ window: 0, key: "199" });
    const next = ledger.beside(last, 1);
    expect(next).toEqual({ window: 1, key: "200h" });
    expect(ledger.beside(next, -1)).toEqual(last);
    expect(ledger.beside({ window: 0, key: "0h" }, -5)).toEqual({ window: 0, key: "0h" });
  });

  it("folds a record and moves what is below up", () => {
    const ledger = ledgerOf(8);
    ledger.fold("/items/[id=0]", true);
    expect(ledger.between(0, 1000).map(({ line }) => line.key)).toEqual(["0h", "4h", "4", "5", "6", "7"]);
    expect(ledger.geometry.height).toBe(6 * 26);
    ledger.fold("/items/[id=0]", false);
    expect(ledger.geometry.height).toBe(10 * 26);
  });

  it("finds the line of a row", () => {
    const ledger = ledgerOf(8);
    expect(ledger.cursorAt(5)).toEqual({ window: 0, key: "5" });
    expect(ledger.placedAt({ window: 0, key: "5" })?.top).toBe(7 * 26);
    expect(ledger.cursorAt(500)).toBe(null);
  });
});
