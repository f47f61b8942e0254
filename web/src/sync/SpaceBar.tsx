import { useState } from "preact/hooks";
import { get, type Schemas } from "../api.ts";
import { useNames } from "../audit/names.ts";
import { fold } from "../folding.ts";
import { bytes, counted } from "../numbers.ts";
import { Ago } from "../parts/Ago.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Failure } from "../parts/Failure.tsx";
import { Icon } from "../parts/Icon.tsx";
import { Loading } from "../parts/Loading.tsx";
import { href, path, withQuery } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import { person } from "../state/session.ts";
import { asQuery, OWN, type Space, spaceBy } from "./space.ts";

interface SpaceBarProps {
  project: string;
  space: Space;
}

/** Says whose data a page of device sync shows; who may, chooses somebody else's. */
export function SpaceBar({ project, space }: SpaceBarProps) {
  const [open, setOpen] = useState(false);
  if (!may("sync:admin")) return null;
  return (
    <section class={`space-bar${space.kind === "own" ? "" : " other"}`} aria-label="Whose data">
      {space.kind === "own" ? <p>You see your own data.</p> : <Other project={project} space={space} />}
      <button class="btn" type="button" onClick={() => setOpen(true)}>
        <Icon name="swap" />
        Choose whose
      </button>
      {open ? <Spaces project={project} close={() => setOpen(false)} /> : null}
    </section>
  );
}

function Other({ project, space }: SpaceBarProps) {
  const { all } = useNames(project);
  return (
    <>
      <p>
        {space.kind === "person" ? (
          <>
            <b>You see the data of {all.get(`user ${space.owner}`) ?? space.owner}.</b> What you change here, their
            devices get.
          </>
        ) : (
          <>
            <b>You see the project’s own data,</b> which devices push with its keys. What you change here, they get.
          </>
        )}
      </p>
      <a class="btn" href={href(to(OWN))}>
        Back to your own
      </a>
    </>
  );
}

/** The same page about another space: what else its address says is about the one before. */
function to(space: Space): string {
  return withQuery({ path: path.value, search: "", hash: "" }, asQuery(space));
}

function Spaces({ project, close }: { project: string; close: () => void }) {
  const [q, setQ] = useState("");
  const { all } = useNames(project);
  const pages = usePages<Schemas["SyncSpace"]>(
    (cursor, signal) =>
      get("/v1/sync/spaces", { in: project, query: { q, limit: 50, ...(cursor ? { cursor } : {}) }, signal }),
    [project, q],
  );
  const listed = new Set(pages.data?.map((each) => each.owner));
  const named = q ? people(all, q).filter(([id]) => !listed.has(id)) : [];
  return (
    <Dialog
      title="Whose data"
      lead="Everybody who pushed something, those who changed something last first; what keys push is the project’s own."
      close={close}
    >
      <label class="filter wide">
        <Icon name="search" />
        <span class="sr">Find somebody</span>
        <input
          value={q}
          maxLength={200}
          placeholder="Find somebody"
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => setQ(event.currentTarget.value.trim())}
        />
      </label>
      {pages.busy ? <Loading label="Loading spaces" /> : null}
      {pages.error ? <Failure tried="Listing spaces" error={pages.error} retry={pages.again} /> : null}
      {pages.data?.length === 0 && named.length === 0 ? (
        <p class="quiet">{q ? "Nobody is called so." : "Nobody has pushed anything yet."}</p>
      ) : null}
      <ul class="spaces">
        {pages.data?.map((each) => (
          <li key={each.owner}>
            <a href={href(to(spaceBy(each.owner, person.value?.id)))} onClick={close}>
              <b>{each.owner === "" ? "The project’s own" : (all.get(`user ${each.owner}`) ?? each.owner)}</b>
              <small>
                {counted(each.records, "record")}, {bytes(each.bytes)} · {counted(each.devices, "device")}
                {each.conflicts > 0 ? ` · ${counted(each.conflicts, "conflict")}` : null} · changed{" "}
                <Ago at={each.changed_at} />
              </small>
            </a>
          </li>
        ))}
        {named.map(([id, name]) => (
          <li key={id}>
            <a href={href(to(spaceBy(id, person.value?.id)))} onClick={close}>
              <b>{name}</b>
              <small>{id}</small>
            </a>
          </li>
        ))}
      </ul>
      <div class="acts">
        {pages.more ? (
          <button class="btn ghost" type="button" onClick={pages.next} aria-disabled={pages.busy}>
            Show more
          </button>
        ) : null}
        <button class="btn" type="button" onClick={close}>
          Cancel
        </button>
      </div>
    </Dialog>
  );
}

const MOST_NAMED = 20;

/** Spaces are found by the ids of their owners; these are found by their names. */
function people(names: ReadonlyMap<string, string>, q: string): [string, string][] {
  const sought = fold(q);
  return [...names]
    .filter(([actor, name]) => actor.startsWith("user ") && fold(name).includes(sought))
    .slice(0, MOST_NAMED)
    .map(([actor, name]) => [actor.slice("user ".length), name]);
}
