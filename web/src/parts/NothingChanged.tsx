import { at, href } from "../state/location.ts";

/** In place of what is made of changes, where there are none: what has to come first, and where one sees whether it has. */
export function NothingChanged({
  project,
  endpoint,
  says,
  box = "none",
}: {
  project: string;
  endpoint: string;
  says: string;
  box?: string;
}) {
  return (
    <div class={box}>
      <p>{says}</p>
      <a class="btn" href={href(at("p", project, "e", endpoint, "versions"))}>
        See the versions
      </a>
    </div>
  );
}
