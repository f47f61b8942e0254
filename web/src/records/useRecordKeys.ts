import { useEffect } from "preact/hooks";
import { isTyping } from "../state/keys.ts";
import { query, setQuery } from "../state/location.ts";
import type { Version } from "./data.ts";
import type { RecordModel } from "./model.ts";
import { copyPath, copyValue } from "./RecordTree.tsx";

/** The keys of a document that mean something for a record too, and those of a comparison while two are compared. */
export function useRecordKeys(model: RecordModel, versions: readonly Version[], open: number | null): void {
  useEffect(() => {
    const at = versions.findIndex(({ version }) => version === open);
    const step = (by: number) => {
      const next = at < 0 ? undefined : versions[at + by];
      if (next) setQuery({ version: at + by === 0 ? null : String(next.version), from: null });
    };
    const toggled = (name: string, value: string) =>
      setQuery({ [name]: query.value.get(name) === value ? null : value });
    const isCompared = query.value.has("from");
    const acts: Record<string, () => void> = {
      "[": () => step(1),
      "]": () => step(-1),
      ".": () => setQuery({ version: null, from: null }),
      n: () => model.tree.hit(1),
      N: () => model.tree.hit(-1),
      ...(isCompared
        ? { v: () => toggled("view", "inline"), o: () => toggled("all", "1") }
        : { o: () => toggled("show", "changed"), y: () => copyPath(model), Y: () => copyValue(model) }),
    };
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.target instanceof Element && event.target.closest("dialog, [role=menu]")) return;
      const act = acts[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  });
}
