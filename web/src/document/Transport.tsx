// biome-ignore-all lint/a11y/useSemanticElements: a row of buttons of which one is chosen
import type { VNode } from "preact";
import { useState } from "preact/hooks";

import { Icon, type IconName } from "../parts/Icon";
import type { Span } from "../time/bars";
import { exactClock, longDay, zoneName } from "../time/clock";
import { MomentPicker } from "../time/MomentPicker";
import type { Moment } from "../time/moments";
import { percent } from "./HistoryPanel";
import type { Player } from "./player";
import type { DocumentView } from "./view";

export interface TransportProps {
  view: DocumentView;
  player: Player;
  zone: string;
  size: (bytes: number) => string;
  onPick: (moment: Moment) => void;
  onZoom: (span: Span | null) => void;
}

const RANGES: [name: string, hours: number][] = [
  ["24 h", 24],
  ["3 d", 72],
  ["30 d", 720],
];

/** The moment with what steps it, and the stretch of time that is seen. */
export function Transport({ view, player, zone, size, onPick, onZoom }: TransportProps): VNode {
  const [picking, setPicking] = useState(false);
  const version = view.version.value;
  const shownMs = version?.ms ?? Date.now();
  const pick = (moment: Moment): void => {
    setPicking(false);
    onPick(moment);
  };
  return (
    <div class="transport">
      <Steps player={player} />
      <div class="moment-box">
        <button
          class="moment"
          type="button"
          aria-haspopup="dialog"
          aria-expanded={picking}
          onClick={() => setPicking(!picking)}
        >
          <b>{version ? longDay(shownMs, zone) : "…"}</b>
          {version && <b class="clock">{exactClock(shownMs, zone)}</b>}
          <span>{zoneName(shownMs, zone)}</span>
          <Icon name="down" />
        </button>
        {picking && (
          <MomentPicker
            shownMs={shownMs}
            nowMs={Date.now()}
            zone={zone}
            bars={view.line.value?.bars ?? []}
            onPick={pick}
            onClose={() => setPicking(false)}
          />
        )}
      </div>
      <Position view={view} size={size} onLatest={() => onPick({ kind: "latest" })} />
      <Ranges view={view} onZoom={onZoom} />
    </div>
  );
}

function Steps({ player }: { player: Player }): VNode {
  const playing = player.playing.value;
  const step = (name: IconName, label: string, act: () => void, disabled = false): VNode => (
    <button
      class={name === "play" || name === "pause" ? "icon play" : "icon"}
      type="button"
      aria-label={label}
      title={label}
      disabled={disabled}
      onClick={act}
    >
      <Icon name={name} />
    </button>
  );
  return (
    <div class="steps">
      {step("first", "First version", () => player.end(-1))}
      {step("left", "Previous change", () => player.step(-1))}
      {playing ? step("pause", "Stop", () => player.stop()) : step("play", "Play", () => player.play())}
      {step("right", "Next change", () => player.step(1))}
      {step("last", "Latest version", () => player.end(1))}
    </div>
  );
}

function Position({
  view,
  size,
  onLatest,
}: {
  view: DocumentView;
  size: (bytes: number) => string;
  onLatest: () => void;
}): VNode {
  const place = view.place.value;
  const opened = view.tree.opened.value;
  const newer = view.newer.value;
  return (
    <p class="pos">
      {place && (
        <>
          version <b>{place.number.toLocaleString()}</b> of {place.of.toLocaleString()}
        </>
      )}
      <span>
        {opened && ` · ${size(opened.doc.bytes.length)}`}
        {opened?.similarity != null && ` · ${percent(opened.similarity)} the same as the one before`}
      </span>
      {newer > 0 && (
        <button class="newer" type="button" onClick={onLatest} title="Go to the latest version">
          {newer.toLocaleString()} newer version{newer === 1 ? "" : "s"}
        </button>
      )}
    </p>
  );
}

function Ranges({ view, onZoom }: { view: DocumentView; onZoom: (span: Span | null) => void }): VNode | null {
  const whole = view.line.value?.whole;
  if (!whole) return null;
  const zoom = view.zoom.value;
  const length = whole.toMs - whole.fromMs;
  const fitting = RANGES.filter(([, hours]) => hours * 36e5 < length);
  const choose = (hours: number): void => {
    onZoom(around(whole, view.version.value?.ms ?? whole.toMs, hours * 36e5));
  };
  const isOne = (hours: number): boolean => zoom !== null && Math.abs(zoom.toMs - zoom.fromMs - hours * 36e5) < 1000;
  return (
    <div class="seg" role="radiogroup" aria-label="Range">
      {fitting.map(([name, hours]) => (
        <button key={name} type="button" role="radio" aria-checked={isOne(hours)} onClick={() => choose(hours)}>
          {name}
        </button>
      ))}
      <button type="button" role="radio" aria-checked={zoom === null} onClick={() => onZoom(null)}>
        All
      </button>
    </div>
  );
}

/** A stretch of a length with the moment in it: at its end where that is the newest. */
export function around(whole: Span, ms: number, length: number): Span {
  const toMs = Math.min(whole.toMs, Math.max(ms + length / 2, whole.fromMs + length));
  return { fromMs: toMs - length, toMs };
}
