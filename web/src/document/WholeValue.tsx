import type { VNode } from "preact";
import { side } from "../compare/words";
import { Icon } from "../parts/Icon";
import { Marked } from "../parts/Marked.tsx";
import { isContainer, rawText, unquoted } from "./nodes";
import type { PageModel } from "./pagemodel";

const MOST = 200_000;

/** A long text, whole: as it reads, with its words marked. Space opens it; HTML stays text. */
export function WholeValue({ model }: { model: PageModel }): VNode | null {
  const { tree } = model;
  const node = tree.node();
  const opened = tree.opened.value;
  if (tree.whole.value !== tree.focus.value || !opened || node < 0 || isContainer(opened.doc, node)) return null;
  const raw = rawText(opened.doc, node);
  const change = opened.marks.rows[opened.marks.byNode.get(node) ?? -1];
  const text = raw.startsWith('"') ? unquoted(raw) : raw;
  return (
    <section class="whole" aria-label="The whole value">
      <header>
        <code>{tree.path()}</code>
        <span class="meta">{text.length.toLocaleString()} characters</span>
        <button class="icon" type="button" aria-label="Close" onClick={() => (tree.whole.value = -1)}>
          <Icon name="close" />
        </button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard has to reach it */}
      <pre tabIndex={0}>
        {change?.text && !change.cut ? <Marked pieces={side(change.text, "+")} /> : text.slice(0, MOST)}
      </pre>
      {text.length > MOST && (
        <p class="quiet">
          and {(text.length - MOST).toLocaleString()} characters more: copy the value, or download the document
        </p>
      )}
    </section>
  );
}
