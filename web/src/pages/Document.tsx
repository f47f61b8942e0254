import { untracked, useSignalEffect } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import "../document/document.css";
import "../document/panels.css";
import "../time/moment.css";
import { DocumentPane } from "../document/DocumentPane";
import { Download } from "../document/Download";
import { PageModel } from "../document/pagemodel";
import { prepare } from "../document/reader";
import { TimelineSlider } from "../document/TimelineSlider";
import { Transport } from "../document/Transport";
import { useKeys } from "../document/useKeys";
import { EndpointHead } from "../parts/EndpointHead";
import { Icon } from "../parts/Icon";
import type { PageProps } from "../routes";
import { href, query } from "../state/location";
import { type Topic, useStream } from "../state/stream";

prepare(); // while the session is asked for

const TOPICS: readonly Topic[] = ["snapshots", "deltas"];

/** The document at a moment: the timeline above, the tree and what this version changed under it. */
export default function Document({ params }: PageProps) {
  const { project = "", endpoint = "" } = params;
  const model = useMemo(() => new PageModel({ project, endpoint }), [project, endpoint]);
  useSignalEffect(() => {
    const asked = query.value;
    untracked(() => model.follow(asked));
  });
  useEffect(() => {
    model.begin();
    return () => model.leave();
  }, [model]);
  useKeys(model);
  useStream(project, TOPICS, (told) => model.heard(told), { begun: () => model.begun() });
  const { view } = model;
  const isMissing = view.state.value.kind === "failed" && view.line.value === null;
  return (
    <main id="main" class="wrap app">
      <EndpointHead
        project={project}
        endpoint={endpoint}
        section="document"
        counts={{ versions: view.place.value?.of }}
      >
        <a class="btn" href={href(model.compareLink())}>
          <Icon name="compare" />
          Compare
        </a>
        <Download source={view.source} version={view.version.value} seen={view.zoom.value} />
      </EndpointHead>
      {!isMissing && view.state.value.kind !== "empty" && (
        <section class="time" aria-label="Timeline">
          <Transport
            view={view}
            player={model.player}
            zone={model.zone.value}
            size={model.size}
            onPick={(moment) => void model.go(moment)}
            onZoom={(span) => model.zoomTo(span)}
          />
          <TimelineSlider model={model} />
        </section>
      )}
      <DocumentPane model={model} />
    </main>
  );
}
