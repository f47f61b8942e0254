import type { VNode } from "preact";

import { Icon } from "../parts/Icon";
import { address, href, withQuery } from "../state/location";
import { clock, moment } from "../time/clock";
import { dayStart } from "../time/moments";
import type { PageModel } from "./pagemodel";
import type { Beside } from "./versions";

/** The changes before and after what is shown, by their times, and what is new since the last visit. */
export function Besides({ model, slim = false }: { model: PageModel; slim?: boolean }): VNode | null {
  const { view, looked } = model;
  const place = view.place.value;
  const newest = view.line.value?.whole?.toMs ?? 0;
  const isNew = looked !== null && Date.parse(looked) < newest;
  if (!isNew && !place?.previousChange && !place?.nextChange) return null;
  return (
    <nav class={slim ? "beside slim" : "beside"} aria-label="Changes beside this version">
      {place?.previousChange && (
        <Change model={model} to={place.previousChange} said="Previous change">
          <Icon name="left" />
        </Change>
      )}
      {place?.nextChange && (
        <Change model={model} to={place.nextChange} said="Next change" after>
          <Icon name="right" />
        </Change>
      )}
      {isNew && <a href={href(model.link("compare", { a: looked }))}>Since I last looked</a>}
    </nav>
  );
}

interface ChangeProps {
  model: PageModel;
  to: Beside;
  said: string;
  after?: boolean;
  children: VNode;
}

function Change({ model, to, said, after = false, children }: ChangeProps): VNode {
  const zone = model.zone.value;
  const shownMs = model.view.version.value?.ms ?? 0;
  const isNear = dayStart(to.ms, zone) === dayStart(shownMs, zone);
  const when = isNear ? clock(to.ms, zone) : moment(to.ms, zone);
  return (
    <a
      href={href(withQuery(address.value, { at: new Date(to.ms).toISOString() }))}
      title={`${said}: ${moment(to.ms, zone)}`}
    >
      {!after && children}
      <span class="sr">{said} </span>
      {when}
      {after && children}
    </a>
  );
}
