import { get, type Schemas } from "../api.ts";
import { Ago } from "../parts/Ago.tsx";
import { Failure } from "../parts/Failure.tsx";
import { usePages } from "../state/pages.ts";

type Change = Schemas["TraitsChange"];

const PAGE = 20;

/** What each identify call changed, the newest first. */
export function TraitHistory({ project, id }: { project: string; id: string }) {
  const pages = usePages<Change>(
    (cursor, signal) =>
      get("/v1/users/{user}/traits", { in: project, path: { user: id }, query: { limit: PAGE, cursor }, signal }),
    [project, id],
  );
  if (pages.error) return <Failure tried="Loading what the traits were" error={pages.error} retry={pages.again} />;
  if (!pages.data || (pages.data.length === 0 && !pages.more)) return null;
  return (
    <section class="vals trait-history" aria-label="What changed in the traits">
      <h3>Changes of traits</h3>
      <ol>
        {pages.data.map(({ at, message_id, changes }) => (
          <li key={message_id}>
            <Ago at={at} />
            {changes.map(({ trait, before, after }) => (
              <p key={trait}>
                <code>{trait}</code> {before !== undefined && <del>{shown(before)}</del>}{" "}
                {after !== undefined && <ins>{shown(after)}</ins>}
              </p>
            ))}
          </li>
        ))}
      </ol>
      {pages.more ? (
        <button class="btn more" type="button" disabled={pages.busy} onClick={pages.next}>
          Older changes
        </button>
      ) : null}
    </section>
  );
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
