import type { VNode } from "preact";

import { nearest } from "../time/bars";
import { Timeline } from "../time/Timeline";
import type { PageModel } from "./pagemodel";

/** The timeline with the needle, and its own keys: arrows a change, Shift ten, Alt a version of any kind. */
export function TimelineSlider({ model }: { model: PageModel }): VNode {
  const { view, player } = model;
  const line = view.detail.value ?? view.line.value;
  const version = view.version.value;
  const place = view.place.value;
  const keys = (event: KeyboardEvent): void => {
    const side = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (side !== undefined) player.step(side * (event.shiftKey ? 10 : 1), event.altKey);
    else if (event.key === "Home" || event.key === "End") player.end(event.key === "Home" ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const go = (ms: number, dragging: boolean): void => {
    const bars = line?.bars ?? [];
    const bar = line?.bucketMs === null ? bars[nearest(bars, ms)] : undefined;
    const at = bar?.ms ?? ms;
    if (!dragging || at !== version?.ms) model.goTo(at, dragging);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the slider within has the focus; its keys are heard here
    <div class="slide" onKeyDown={keys}>
      <Timeline
        bars={line?.bars ?? []}
        bucketMs={line?.bucketMs ?? null}
        span={model.span.value}
        whole={model.whole.value}
        zone={model.zone.value}
        needleMs={version?.ms ?? null}
        now={{ number: place?.number ?? 1, of: place?.of ?? 1, text: model.spoken() }}
        range={model.range.value}
        onGo={go}
        onZoom={(span) => model.zoomTo(span)}
        onRange={(range) => {
          model.range.value = range;
          model.marks.a.value = range.fromMs;
          model.marks.b.value = range.toMs;
        }}
      />
    </div>
  );
}
