import { Problem } from "../problem.ts";
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
        <button class="btn" type="button" onClick={retry}>
          <Icon name="again" />
          Try again
        </button>
      ) : null}
    </div>
  );
}
