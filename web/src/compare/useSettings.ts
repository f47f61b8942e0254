import { useCallback, useMemo } from "preact/hooks";
import { keySetting } from "../endpointsettings/keysetting.ts";
import { announce } from "../state/announce.ts";
import { useLoad } from "../state/load.ts";
import { type DiffSettings, endpointOf, fieldsOf, type Place, saveKeys } from "./data.ts";
import type { ArrayKey } from "./KeyMenu.tsx";

const NOISE = 0.5;
const SCALARS = new Set(["string", "number", "integer"]);

export interface Fields {
  /** Whether a field changes in more than half of all deltas. */
  isNoise: (pattern: string) => boolean;
  /** Fields of an array's elements that its key may be made of. */
  candidates: (array: string) => string[];
}

export function useFields(place: Place): Fields {
  const { data } = useLoad((signal) => fieldsOf(place, signal), [place]);
  return useMemo(() => {
    const fields = data ?? [];
    const noisy = new Set(fields.filter((field) => field.share_of_deltas > NOISE).map((field) => field.path));
    const scalar = fields.filter((field) => field.types.some((type) => SCALARS.has(type)));
    return {
      isNoise: (pattern) => noisy.has(pattern),
      candidates: (array) => {
        const lead = `${array}/*/`;
        return scalar
          .filter(({ path }) => path.startsWith(lead) && !path.slice(lead.length).includes("*"))
          .map(({ path }) => path.slice(lead.length));
      },
    };
  }, [data]);
}

/** The keys by which records are matched: tried in this comparison, then saved for the endpoint. */
export function useKeySettings(
  place: Place,
  keys: Record<string, ArrayKey>,
  { candidates }: Fields,
  tried: DiffSettings | null,
  setTried: (diff: DiffSettings | null) => void,
) {
  const own = useLoad((signal) => endpointOf(place, signal), [place]);
  const settings = own.data?.diff ?? null;
  const attempt = useCallback(
    (array: string, fields: string[]) => {
      const base = tried ?? settings;
      if (base) setTried({ ...base, array_keys: { ...base.array_keys, [array]: fields } });
    },
    [tried, settings, setTried],
  );
  const trial = tried && settings ? changedKeys(settings.array_keys, tried.array_keys) : null;
  const save = async () => {
    if (!tried) return;
    await saveKeys(place, tried.array_keys);
    announce("Saved: all comparisons use this key");
    own.again();
    setTried(null);
  };
  return {
    keys,
    candidates,
    trial,
    attempt,
    drop: () => setTried(null),
    save: trial ? () => void save() : null,
    setting: (array: string, fields: readonly string[]) => keySetting(place.project, place.endpoint, array, fields),
    ignoreNothing: settings ? () => setTried({ ...settings, ignore: [], tolerance: 0 }) : null,
  };
}

function changedKeys(
  saved: Record<string, string[]>,
  tried: Record<string, string[]>,
): Record<string, string[]> | null {
  const changed = Object.entries(tried).filter(([array, fields]) => saved[array]?.join() !== fields.join());
  return changed.length > 0 ? Object.fromEntries(changed) : null;
}
