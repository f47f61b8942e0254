import { bytes, count, percent } from "../numbers.ts";
import type { Totals } from "./list.ts";

/** In short: what is kept, and what moved in a day. */
export function Figures({ sums }: { sums: Totals }) {
  return (
    <section class="figs" aria-label="In short">
      <div>
        <b>{count(sums.endpoints)}</b>
        <span>{sums.endpoints === 1 ? "endpoint" : "endpoints"}</span>
      </div>
      <div>
        <b>{count(sums.versions)}</b>
        <span>versions kept, {count(sums.changes)} with changes</span>
      </div>
      <div>
        <b>{count(sums.dayEdits)}</b>
        <span>changes in the last 24 hours</span>
      </div>
      <div class="wide">
        <b>
          {bytes(sums.rawBytes)}
          <i aria-hidden="true">→</i>
          <em>{bytes(sums.storedBytes)}</em>
        </b>
        <span>
          sent, and what it takes to keep every byte of it
          {sums.rawBytes > 0 ? `: ${percent(sums.storedBytes / sums.rawBytes)}` : ""}
        </span>
      </div>
    </section>
  );
}
