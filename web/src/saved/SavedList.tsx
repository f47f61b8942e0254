import { useState } from "preact/hooks";
import { Failure } from "../parts/Failure.tsx";
import { Field, Form, SubmitOrCancel, text } from "../parts/Form.tsx";
import { Loading } from "../parts/Loading.tsx";
import { href, query } from "../state/location.ts";
import { may } from "../state/may.ts";
import { usePages } from "../state/pages.ts";
import { zone } from "../state/zone.ts";
import { moment } from "../time/clock.ts";
import { addressOf, type Kind, SAVED, type SavedItem } from "./kinds.ts";
import { changeSaved, deleteSaved, listSaved } from "./requests.ts";
import "./saved.css";

interface ListProps {
  project: string;
  kind: Kind;
  opened?: () => void;
}

/** The saved queries of a kind: each opens, and is given another name or deleted. */
export function SavedList({ project, kind, opened }: ListProps) {
  const pages = usePages<SavedItem>((cursor, signal) => listSaved(project, kind, cursor, signal), [project, kind]);
  if (pages.error) return <Failure tried="Listing saved queries" error={pages.error} retry={pages.again} />;
  if (!pages.data) return <Loading />;
  if (pages.data.length === 0) return <p class="said">Nothing is saved yet. What is saved here, all members see.</p>;
  return (
    <>
      <ul class="saved-list">
        {pages.data.map((item) => (
          <Item key={item.id} project={project} item={item} opened={opened} again={pages.again} />
        ))}
      </ul>
      {pages.more ? (
        <button class="btn more" type="button" disabled={pages.busy} onClick={pages.next}>
          More
        </button>
      ) : null}
    </>
  );
}

interface ItemProps {
  project: string;
  item: SavedItem;
  opened: (() => void) | undefined;
  again: () => void;
}

function Item({ project, item, opened, again }: ItemProps) {
  const [doing, setDoing] = useState<"rename" | "delete" | null>(null);
  const over = () => setDoing(null);
  const rename = async (data: FormData) => {
    await changeSaved(project, item.id, { name: text(data, "name") });
    over();
    again();
  };
  const destroy = async () => {
    await deleteSaved(project, item.id);
    again();
  };
  if (doing === "rename")
    return (
      <li>
        <Form send={rename} tried="Renaming it">
          {(form) => (
            <>
              <Field
                form={form}
                label="Name"
                name="name"
                required
                maxLength={200}
                autofocus
                autocomplete="off"
                defaultValue={item.name}
              />
              <SubmitOrCancel form={form} close={over}>
                Rename
              </SubmitOrCancel>
            </>
          )}
        </Form>
      </li>
    );
  if (doing === "delete")
    return (
      <li>
        <Form send={destroy} tried="Deleting it">
          {(form) => (
            <>
              <p>Delete “{item.name}” for all?</p>
              <SubmitOrCancel form={form} close={over}>
                Delete
              </SubmitOrCancel>
            </>
          )}
        </Form>
      </li>
    );
  return (
    <li class="bar">
      <a
        class="link"
        href={href(addressOf(project, item))}
        aria-current={query.value.get(SAVED) === item.id ? "true" : undefined}
        onClick={() => opened?.()}
      >
        {item.name}
      </a>
      <time class="quiet" dateTime={item.updated_at}>
        {moment(Date.parse(item.updated_at), zone.value)}
      </time>
      <span class="grow" />
      {may("boards:write") ? (
        <button class="btn ghost" type="button" aria-label={`Rename ${item.name}`} onClick={() => setDoing("rename")}>
          Rename
        </button>
      ) : null}
      {may("boards:admin") ? (
        <button class="btn ghost" type="button" aria-label={`Delete ${item.name}`} onClick={() => setDoing("delete")}>
          Delete
        </button>
      ) : null}
    </li>
  );
}
