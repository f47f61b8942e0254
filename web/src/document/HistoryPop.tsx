import type { VNode } from "preact";

import { Failure } from "../parts/Failure";
import { href } from "../state/location";
import { HistoryPanel } from "./HistoryPanel";
import { isContainer } from "./nodes";
import type { PageModel } from "./pagemodel";
import { Kind } from "./scan";
import { wasOf } from "./since";

/** The history of the focused value beside its row; a sheet on narrow screens. */
export function HistoryPop({ model }: { model: PageModel }): VNode | null {
  const { history, tree, view } = model;
  const shown = history.shown.value;
  if (history.error.value !== null) {
    return (
      <div class="pop history" role="dialog" aria-label="History">
        <Failure
          tried="Looking up the history"
          error={history.error.value}
          retry={() => shown && [history.close(), void history.open(shown.path)]}
        />
      </div>
    );
  }
  if (!shown) return null;
  const pattern = model.pattern();
  const opened = tree.opened.value;
  const node = tree.node();
  const isNumber =
    opened !== null && node >= 0 && !isContainer(opened.doc, node) && opened.doc.kind[node] === Kind.Number;
  const version = view.version.value;
  const since = node >= 0 ? model.since.leaf(node) : null;
  return (
    <HistoryPanel
      history={shown}
      was={since ? wasOf(since) : ""}
      shownMs={version?.ms ?? 0}
      zone={model.zone.value}
      numberOfVersion={(id) => model.numberOf(id)}
      onGo={(value) => model.goTo(value.ms)}
      onClose={() => {
        model.closeHistory();
        document.querySelector<HTMLElement>("[role=treegrid]")?.focus();
      }}
      onIgnore={() => (model.ignoring.value = pattern)}
      links={{
        chart: isNumber && pattern !== null ? href(model.link("charts", { f: shown.path })) : null,
        compare: version
          ? href(
              model.link("compare", {
                a: since?.previous?.snapshot_id ?? view.place.value?.previous ?? null,
                b: new Date(version.ms).toISOString(),
                row: shown.path,
              }),
            )
          : null,
        all: href(model.link("changes", { field: pattern })),
      }}
    />
  );
}
