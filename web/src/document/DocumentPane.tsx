import { useSignal, useSignalEffect } from "@preact/signals";
import type { VNode } from "preact";
import { useMemo } from "preact/hooks";

import { keySetting } from "../endpointsettings/keysetting";
import { Loading } from "../parts/Loading";
import { href } from "../state/location";
import { moment } from "../time/clock";
import { Besides } from "./Besides";
import { Changes } from "./Changes";
import { HistoryPop } from "./HistoryPop";
import { Ignore } from "./Ignore";
import { PiecesView } from "./PiecesView";
import type { PageModel } from "./pagemodel";
import { RowMenu } from "./RowMenu";
import { rowHeight } from "./rowheight";
import { rowItems } from "./rowitems";
import { SearchBar } from "./SearchBar";
import { States } from "./States";
import { type Kept, type SinceOf, sinceOf } from "./since";
import { TextView } from "./TextView";
import { Tree } from "./Tree";
import { WholeValue } from "./WholeValue";

/** The document with its tools at the left, what this version changed at the right. */
export function DocumentPane({ model }: { model: PageModel }): VNode {
  const { view, tree, since } = model;
  const menu = useSignal<{ row: number; x: number; y: number } | null>(null);
  const opened = tree.opened.value;
  const version = view.version.value;
  useSignalEffect(() => {
    const now = tree.opened.value;
    since.set(now);
    model.searchAgain();
  });
  const label = `${model.source.endpoint} at ${version ? moment(version.ms, model.zone.value) : "no time yet"}`;
  return (
    <div class="split">
      <section class="doc" aria-label="The document at this moment">
        <SearchBar model={model} />
        <Besides model={model} slim />
        <Body model={model} label={label} onMenu={(row, x, y) => (menu.value = { row, x, y })} />
        <HistoryPop model={model} />
        {model.ignoring.value !== null && (
          <Ignore
            source={model.source}
            pattern={model.ignoring.value}
            ignored={model.ignored.value}
            timeOf={(id) => model.timeOf(id)}
            onIgnore={(pattern) => model.ignore(pattern)}
            onGo={(id) => void model.go({ kind: "snapshot", id })}
            onClose={() => (model.ignoring.value = null)}
          />
        )}
        {menu.value && (
          <RowMenu at={menu.value} items={rowItems(model, menu.value.row)} onClose={() => (menu.value = null)} />
        )}
      </section>
      {opened && (
        <Changes
          opened={opened}
          noisy={model.noisy.value}
          zone={model.zone.value}
          shownMs={version?.ms ?? 0}
          otherwise={otherwise(model)}
          beside={<Besides model={model} />}
          onGo={(row) => tree.reveal(row.node)}
        />
      )}
    </div>
  );
}

/** Of very many changes the first are fetched and marked: the others are counted, and one click away. */
function Partly({ model }: { model: PageModel }): VNode | null {
  const marks = model.tree.opened.value?.marks;
  if (!marks || marks.rows.length === 0 || marks.rows.length >= marks.total) return null;
  return (
    <p class="partly quiet">
      The first {marks.rows.length.toLocaleString()} of {marks.total.toLocaleString()} changes are marked.{" "}
      <a href={href(model.compareLink())}>Compare shows all</a>
    </p>
  );
}

/** What is said where nothing is listed. */
function otherwise({ view, tree }: PageModel): VNode | null {
  const opened = tree.opened.value;
  if (!opened || !view.isMarked.value) return <p class="none" />;
  const previous = view.place.value ? view.place.value.number - 1 : null;
  if (opened.kind === null)
    return (
      <p class="none">
        {previous ? `The same bytes as version ${previous.toLocaleString()}.` : "The first version: nothing before it."}
      </p>
    );
  if (opened.marks.rows.length > 0) return null;
  const said: Record<string, string> = {
    reorder: "Only the order of elements changed.",
    format: "Only the writing changed: spaces, escapes, the order of members.",
    ignored: "Only what the settings ignore changed.",
  };
  return <p class="none">{said[opened.kind] ?? "Nothing changed."}</p>;
}

function Body({
  model,
  label,
  onMenu,
}: {
  model: PageModel;
  label: string;
  onMenu: (row: number, x: number, y: number) => void;
}): VNode | null {
  const { view, tree } = model;
  const state = view.state.value;
  const opened = tree.opened.value;
  const since = useSince(model);
  if (state.kind === "large" && view.version.value) {
    return <PiecesView model={model} version={view.version.value} label={label} />;
  }
  if (state.kind !== "shown" && state.kind !== "loading") {
    return (
      <States
        state={state}
        endpoint={model.source.endpoint}
        project={model.source.project}
        zone={model.zone.value}
        onGo={(ms) => model.goTo(ms)}
        onStep={(step) => model.player.step(step, true)}
        onRetry={() => void view.again()}
      />
    );
  }
  if (!opened) return <Loading label="Opening the document" />;
  if (tree.show.value === "text") return <TextView opened={opened} rowHeight={20} label={label} />;
  return (
    <>
      <Partly model={model} />
      <Tree
        model={tree}
        label={label}
        rowHeight={rowHeight.value}
        zone={model.zone.value}
        shownMs={view.version.value?.ms ?? 0}
        since={since}
        on={{
          toggle: (row) => tree.toggle(row),
          focus: (row) => tree.go(row),
          history: (row) => model.openHistory(row),
          menu: (row, event) => {
            event.preventDefault();
            tree.go(row);
            onMenu(row, event.clientX, event.clientY);
          },
          keySetting: (array, fields) => keySetting(model.source.project, model.source.endpoint, array, fields),
          seen: (nodes) => model.since.seen(nodes),
        }}
      />
      <WholeValue model={model} />
    </>
  );
}

/** Since when values stand, as far as it is known. */
function useSince({ since, view, whole, zone }: PageModel): SinceOf {
  const known = since.known.value;
  const version = view.version.value;
  const { fromMs } = whole.value;
  const inZone = zone.value;
  return useMemo(() => {
    const kept: Kept = { firstMs: fromMs, shownMs: version?.ms ?? 0, shownId: version?.id ?? "", zone: inZone };
    return (node) => {
      const leaf = since.leaf(node);
      return leaf && sinceOf(leaf, kept, since.line(leaf.path));
    };
  }, [since, version, fromMs, inZone, known]);
}
