import { beforeEach, expect, test, vi } from "vitest";
import { lastLooked, looked } from "./looked.ts";

const HOUR = 3_600_000;
const kept = new Map<string, string>();

beforeEach(() => {
  kept.clear();
  vi.stubGlobal(
    "localStorage",
    new Proxy(
      {
        getItem: (name: string) => kept.get(name) ?? null,
        setItem: (name: string, text: string) => void kept.set(name, text),
        removeItem: (name: string) => void kept.delete(name),
      },
      { ownKeys: () => [...kept.keys()], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }) },
    ),
  );
});

test("a visit goes back to the one before it, however often somebody looks in it", () => {
  expect(lastLooked("p", "e", 0)).toBeNull();
  looked("p", "e", "2026-01-01T00:00:00.000Z", 0);
  expect(lastLooked("p", "e", HOUR / 4)).toBeNull();
  expect(lastLooked("p", "e", HOUR)).toBe("2026-01-01T00:00:00.000Z");
  looked("p", "e", "2026-01-01T05:00:00.000Z", 5 * HOUR);
  looked("p", "e", "2026-01-01T05:10:00.000Z", 5 * HOUR + 600_000);
  expect(lastLooked("p", "e", 5 * HOUR + 700_000)).toBe("2026-01-01T00:00:00.000Z");
  expect(lastLooked("p", "e", 9 * HOUR)).toBe("2026-01-01T05:10:00.000Z");
});

test("an older version that is looked at forgets no newer one", () => {
  looked("p", "e", "2026-01-02T00:00:00.000Z", 0);
  looked("p", "e", "2026-01-01T00:00:00.000Z", 1);
  expect(lastLooked("p", "e", HOUR)).toBe("2026-01-02T00:00:00.000Z");
});

test("what an earlier dashboard remembered counts", () => {
  kept.set("delta.looked.p/e", "2026-01-01T00:00:00.000Z");
  expect(lastLooked("p", "e", HOUR)).toBe("2026-01-01T00:00:00.000Z");
  kept.set("delta.looked.p/e", "{broken");
  expect(lastLooked("p", "e", HOUR)).toBeNull();
});

test("endpoints looked at long ago are forgotten", () => {
  for (let n = 0; n < 250; n += 1) looked("p", `e${n}`, "2026-01-01T00:00:00.000Z", 0);
  expect(kept.size).toBe(200);
});
