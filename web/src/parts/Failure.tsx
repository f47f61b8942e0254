import { Problem } from "../problem.ts";
import { at, href, path } from "../state/location.ts";
import { matched } from "../state/project.ts";
import { Icon } from "./Icon.tsx";

/** In the part that failed: what was tried, why it failed, the request's id, and another try. */
export function Failure({ tried, error, retry }: { tried: string; error: unknown; retry?: () => void }) {
  const problem = error instanceof Problem ? error : null;
  return (
    <div class="failure" role="alert">
      <p>
        <b>{tried} failed:</b> {problem ? problem.message : String(error)}
      </p>
      {problem?.requestId ? (
        <p class="quiet">
          Request <code>{problem.requestId}</code>
        </p>
      ) : null}
      {retry ? (
        <div class="bar">
          <button class="btn" type="button" onClick={retry}>
            <Icon name="again" />
            Try again
          </button>
          {problem && (problem.status === 403 || problem.status === 404) ? <WayOut /> : null}
        </div>
      ) : null}
    </div>
  );
}

/** From what is gone, or another's: one step up. */
function WayOut() {
  const { project } = matched.value?.params ?? {};
  const above = project === undefined ? null : at("p", project);
  const [to, name] = above === null || above === path.value ? ["/projects", "All projects"] : [above, "All endpoints"];
  return (
    <a class="btn ghost" href={href(to)}>
      {name}
    </a>
  );
}
