// Fields that are tried to be ignored: as it stands in the address, and as settings of the endpoint.

/** The patterns being tried, in `?try=`: joined by commas, which in a pattern stand as `%2C`. */
export function tried(query: URLSearchParams): string[] {
  const text = query.get("try") ?? "";
  return [
    ...new Set(
      text
        .split(",")
        .filter((part) => part !== "")
        .map(decoded),
    ),
  ];
}

export function setTried(query: URLSearchParams, patterns: readonly string[]): void {
  if (patterns.length === 0) query.delete("try");
  else query.set("try", patterns.map((pattern) => pattern.replaceAll("%", "%25").replaceAll(",", "%2C")).join(","));
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Whether a pattern of the settings covers a field: `*` is one step, `**` any number of them; what is under it too. */
export function covers(rule: string, field: string): boolean {
  return matches(rule.split("/").slice(1), field.split("/").slice(1));
}

function matches(rule: string[], field: string[]): boolean {
  const [first, ...rest] = rule;
  if (first === undefined) return true;
  if (first === "**") return [...Array(field.length + 1).keys()].some((skip) => matches(rest, field.slice(skip)));
  const [step, ...below] = field;
  return step !== undefined && (first === "*" || first === step) && matches(rest, below);
}

/** The settings' rules with those tried. */
export function withTried(ignore: readonly string[], patterns: readonly string[]): string[] {
  return [...ignore, ...patterns.filter((pattern) => !ignore.includes(pattern))];
}
