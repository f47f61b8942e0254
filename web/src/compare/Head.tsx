import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { Icon } from "../parts/Icon.tsx";
import { at, href } from "../state/location.ts";
import { DOWNLOADS, type Download, documentOf, download, keep, type Pair, type Place } from "./data.ts";
import { Pop } from "./Pop.tsx";

interface HeadProps {
  place: Place;
  pair: Pair | null;
  layout: "side" | "inline";
  setLayout: (layout: "side" | "inline") => void;
  all: boolean;
  setAll: (all: boolean) => void;
}

export function Head({ place, pair, layout, setLayout, all, setAll }: HeadProps): JSX.Element {
  return (
    <div class="head">
      <h1>
        <a href={href(at("p", place.project))}>Endpoints</a>
        <span aria-hidden="true">/</span>
        <a href={href(at("p", place.project, "e", place.endpoint))} title={place.endpoint}>
          <bdi>{place.endpoint}</bdi>
        </a>
        <span aria-hidden="true">/</span>Compare
      </h1>
      <div class="acts">
        <label class="check">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
          Unchanged too
        </label>
        <div class="seg" role="radiogroup" aria-label="Layout">
          {(["side", "inline"] as const).map((each) => (
            // biome-ignore lint/a11y/useSemanticElements: drawn as the other groups of the dashboard are
            <button
              key={each}
              type="button"
              role="radio"
              aria-checked={layout === each}
              onClick={() => setLayout(each)}
            >
              {each === "side" ? "Side by side" : "Inline"}
            </button>
          ))}
        </div>
        {pair && <Downloads place={place} pair={pair} />}
      </div>
    </div>
  );
}

function Downloads({ place, pair }: { place: Place; pair: Pair }): JSX.Element {
  const [failed, setFailed] = useState<string | null>(null);
  const take = async (get: () => Promise<Blob>, name: string, close: () => void) => {
    setFailed(null);
    try {
      keep(await get(), `${place.endpoint}-${name}`.replace(/[^\w.-]+/g, "-"));
      close();
    } catch (error) {
      setFailed(error instanceof Error ? error.message : "The download failed.");
    }
  };
  const button = (
    <>
      <Icon name="download" />
      Download
      <Icon name="down" />
    </>
  );
  return (
    <Pop class="btn" label="Download" button={button}>
      {(close) => (
        <>
          <ul>
            {(Object.keys(DOWNLOADS) as Download[]).map((format) => (
              <li key={format}>
                <button
                  type="button"
                  onClick={() => take(() => download(place, pair, format), DOWNLOADS[format].file, close)}
                >
                  {DOWNLOADS[format].name}
                </button>
              </li>
            ))}
            {(["a", "b"] as const).map((side) => (
              <li key={side}>
                <button
                  type="button"
                  onClick={() => take(() => documentOf(place, pair[side]), `${side.toUpperCase()}.json`, close)}
                >
                  The document at {side.toUpperCase()}
                </button>
              </li>
            ))}
          </ul>
          {failed && <p role="alert">{failed}</p>}
        </>
      )}
    </Pop>
  );
}
