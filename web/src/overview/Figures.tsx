import { bytes, count, percent } from "../numbers.ts";
import { type Listed, totals } from "./list.ts";

/** So many of the small bars' buckets are the last 24 hours: of 72 in 9 days. */
const DAY = 8;

/** In short: what is kept, and what moved in a day. */
export function Figures({ endpoints }: { endpoints: readonly Listed[] }) {
  const sums = totals(endpoints);
  const day = endpoints.reduce(
    (sum, one) => sum + one.spark.slice(-DAY).reduce((own, [up, down]) => own + up + down, 0),
    0,
  );
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
        <b>{count(day)}</b>
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
