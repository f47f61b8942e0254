import { describe, expect, it } from "vitest";

import { Kept } from "./kept";

function kept(most: number) {
  const loaded: string[] = [];
  const dropped: string[] = [];
  const cache = new Kept(
    most,
    async (key) => {
      loaded.push(key);
      if (key === "bad" && loaded.length === 1) throw new Error("no answer");
      return { value: key.toUpperCase(), bytes: 10 };
    },
    (key) => dropped.push(key),
  );
  return { cache, loaded, dropped };
}

describe("Kept", () => {
  it("asks once for what is asked for twice, at the same time too", async () => {
    const { cache, loaded } = kept(100);
    expect(await Promise.all([cache.get("a"), cache.get("a")])).toEqual(["A", "A"]);
    await cache.get("a");
    expect(loaded).toEqual(["a"]);
  });

  it("drops the least lately used", async () => {
    const { cache, dropped } = kept(25);
    for (const key of ["a", "b", "a", "c"]) await cache.get(key);
    expect(dropped).toEqual(["b"]);
    expect([cache.has("a"), cache.has("b"), cache.has("c")]).toEqual([true, false, true]);
  });

  it("keeps the newest, however large", async () => {
    const { cache, dropped } = kept(5);
    await cache.get("a");
    expect(cache.has("a")).toBe(true);
    await cache.get("b");
    expect(dropped).toEqual(["a"]);
  });

  it("keeps what is in use", async () => {
    const { cache, dropped } = kept(25);
    cache.held = "a";
    for (const key of ["a", "b", "c"]) await cache.get(key);
    expect(dropped).toEqual(["b"]);
  });

  it("asks again after a failure", async () => {
    const { cache } = kept(100);
    await expect(cache.get("bad")).rejects.toThrow("no answer");
    expect(await cache.get("bad")).toBe("BAD");
  });
});
