import { describe, expect, it } from "vitest";

import { opened } from "./opened";
import { scan } from "./scan";
import { TreeModel } from "./treemodel";

const version = (id: string, value: unknown) => opened(id, scan(new TextEncoder().encode(JSON.stringify(value))));

describe("what is shown whole", () => {
  it.each([
    ["lies in another row", { added: 1, name: "a", text: "long" }, 3],
    ["is where it was", { name: "b", text: "long" }, 2],
    ["is gone", { name: "a" }, -1],
  ])("follows its value to another version: it %s", (_, next, row) => {
    const tree = new TreeModel();
    tree.set(version("1", { name: "a", text: "long" }));
    tree.go(2);
    tree.whole.value = 2;
    tree.set(version("2", next));
    expect(tree.whole.value).toBe(row);
    if (row >= 0) expect(tree.path(row)).toBe("/text");
  });

  it("is closed where the focus has gone elsewhere", () => {
    const tree = new TreeModel();
    tree.set(version("1", { name: "a", text: "long" }));
    tree.whole.value = 1;
    tree.go(2);
    tree.set(version("2", { added: 1, name: "a", text: "long" }));
    expect(tree.whole.value).toBe(-1);
  });
});
