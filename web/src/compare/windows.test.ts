import { describe, expect, it, vi } from "vitest";
import { Windows } from "./windows.ts";

function listOf(total: number, most = 3) {
  const asked: [number, number][] = [];
  const waiting: { start: number; answer: () => void; fail: () => void; signal: AbortSignal }[] = [];
  const changed = vi.fn();
  const windows = new Windows<number>({
    size: 10,
    most,
    changed,
    load: (start, count, signal) =>
      new Promise((resolve, reject) => {
        asked.push([start, count]);
        const rows = Array.from({ length: Math.min(count, total - start) }, (_, i) => start + i);
        waiting.push({ start, answer: () => resolve(rows), fail: () => reject(new Error("gone")), signal });
      }),
  });
  const answer = async () => {
    for (const one of waiting.splice(0)) one.answer();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { windows, asked, waiting, changed, answer };
}

describe("Windows", () => {
  it("asks for the row before a window too, and for each window once", async () => {
    const { windows, asked, answer, changed } = listOf(25);
    windows.want(0, 1);
    windows.want(0, 1);
    expect(asked).toEqual([
      [0, 10],
      [9, 11],
    ]);
    await answer();
    expect(windows.at(0)).toEqual({ rows: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], previous: undefined });
    expect(windows.at(1)?.previous).toBe(9);
    expect(windows.at(1)?.rows[0]).toBe(10);
    expect(changed.mock.calls).toEqual([[0], [1]]);
  });

  it("keeps no more than it may, those used last", async () => {
    const { windows, answer } = listOf(100);
    for (const window of [0, 1, 2]) {
      windows.want(window, window);
      await answer();
    }
    windows.at(0);
    windows.want(3, 3);
    await answer();
    expect([0, 1, 2, 3].map((window) => windows.at(window) !== undefined)).toEqual([true, false, true, true]);
  });

  it("lets go of what is no longer wanted", async () => {
    const { windows, waiting, answer, changed } = listOf(100);
    windows.want(0, 1);
    windows.want(7, 7);
    expect(waiting.map((one) => one.signal.aborted)).toEqual([true, true, false]);
    await answer();
    expect(changed.mock.calls).toEqual([[7]]);
    windows.want(0, 0);
    windows.close();
    expect(waiting.every((one) => one.signal.aborted)).toBe(true);
  });

  it("asks again for what failed when it is told to", async () => {
    const { windows, waiting, asked, answer } = listOf(100);
    windows.want(0, 0);
    waiting.splice(0)[0]?.fail();
    await answer();
    expect(windows.failures.get(0)).toEqual(new Error("gone"));
    windows.want(0, 0);
    expect(asked).toHaveLength(1);
    windows.retry();
    windows.want(0, 0);
    await answer();
    expect(windows.at(0)?.rows).toHaveLength(10);
  });
});
