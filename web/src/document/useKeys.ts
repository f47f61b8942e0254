import { useEffect } from "preact/hooks";
import { copied } from "../state/copying";
import { isTyping } from "../state/keys";
import { go } from "../state/location";
import { toast } from "../state/toasts";
import type { PageModel } from "./pagemodel";
import { copyValue } from "./rowitems";

/** The page's keys, wherever the focus is but in inputs. */
export function useKeys(model: PageModel): void {
  useEffect(() => {
    const keys = keysOf(model);
    const press = (event: KeyboardEvent): void => {
      const act = keys[event.key];
      if (!act || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isBusy(event)) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, [model]);
}

/** Sheets have buttons of their own; the panel of a history lets the page's keys through. */
function isBusy({ target }: KeyboardEvent): boolean {
  return isTyping(target) || (target instanceof Element && target.closest("[role=dialog]:not(.history)") !== null);
}

function keysOf(model: PageModel): Record<string, () => void> {
  const { tree, player, view, marks } = model;
  const focus = (): number => tree.focus.peek();
  const markAt = (end: "a" | "b") => (): void => {
    marks[end].value = view.version.peek()?.ms ?? null;
    const [a, b] = [marks.a.peek(), marks.b.peek()];
    model.range.value = a !== null && b !== null ? { fromMs: Math.min(a, b), toMs: Math.max(a, b) } : null;
  };
  return {
    j: () => tree.go(focus() + 1),
    k: () => tree.go(focus() - 1),
    n: () => tree.hit(1),
    N: () => tree.hit(-1),
    "[": () => player.step(-1),
    "]": () => player.step(1),
    "{": () => player.step(-1, true),
    "}": () => player.step(1, true),
    ".": () => player.end(1),
    p: () => (player.playing.peek() ? player.stop() : player.play()),
    "+": () => toast(`Plays ${player.faster()} changes a second`, undefined, 3000),
    o: () => model.showAs(tree.show.peek() === "changed" ? "all" : "changed"),
    h: () => model.openHistory(focus()),
    i: () => model.askToIgnore(model.pattern()),
    y: () => void copied(tree.path() ?? "", "The key path is copied"),
    Y: () => copyValue(model),
    c: () => go(model.compareLink()),
    x: markAt("a"),
    X: markAt("b"),
    " ": () => model.toggleWhole(focus()),
    Escape: () => model.closeTop(),
  };
}
