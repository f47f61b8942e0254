export interface FieldProblem {
  field: string;
  message: string;
}

/** A request that failed: the server's problem document (RFC 9457), or why there was no answer. */
export class Problem extends Error {
  override name = "Problem";

  constructor(
    /** 0 where the server could not be reached. */
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly requestId = "",
    readonly fields: readonly FieldProblem[] = [],
    readonly retryAfterS: number | null = null,
  ) {
    super(detail);
  }
}

export const UNREACHABLE = "UNREACHABLE";

/** What tells a program where to look: a person has links for that. */
const ROUTE_HINT = /(?::| by) (?:GET|POST|PUT|PATCH|DELETE) \/.*$/s;

/** The problem that an answer tells of; one of our making where a proxy answered in the server's place. */
export async function problemOf(answer: Response): Promise<Problem> {
  const wait = Number.parseInt(answer.headers.get("retry-after") ?? "", 10);
  const requestId = answer.headers.get("x-request-id") ?? "";
  const retryAfterS = Number.isNaN(wait) ? null : wait;
  let told: Record<string, unknown> = {};
  try {
    if (answer.headers.get("content-type")?.includes("json")) told = (await answer.json()) as typeof told;
  } catch {
    // Not whole, or not JSON: the status says what there is to say.
  }
  const detail =
    typeof told.detail === "string" ? told.detail.replace(ROUTE_HINT, "") : `the server answered ${answer.status}`;
  const code = typeof told.code === "string" ? told.code : `HTTP_${answer.status}`;
  const fields = Array.isArray(told.errors) ? (told.errors as FieldProblem[]) : [];
  return new Problem(answer.status, code, detail, requestId, fields, retryAfterS);
}
