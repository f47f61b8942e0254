const LONGEST = 160;
const LONGEST_VALUE = 60;

/** The first of what data says, in one line: names are quieter than values. */
export function Brief({ data }: { data: unknown }) {
  return (
    <code class="brief">
      {briefly(data).map(([name, text]) => (
        <span key={name}>
          {name ? <i>{name} </i> : null}
          {text}
        </span>
      ))}
    </code>
  );
}

/** Names and values, as many as a line may hold; data that is no object has one value without a name. */
export function briefly(data: unknown): [name: string, text: string][] {
  if (data === null || data === undefined) return [];
  if (typeof data !== "object" || Array.isArray(data)) return [["", JSON.stringify(data).slice(0, LONGEST)]];
  const found: [string, string][] = [];
  let length = 0;
  for (const [name, value] of Object.entries(data)) {
    const text = (typeof value === "string" ? value : (JSON.stringify(value) ?? "")).slice(0, LONGEST_VALUE);
    found.push([name.slice(0, LONGEST), text]);
    length += name.length + text.length;
    if (length >= LONGEST) break;
  }
  return found;
}
