/** The reader's own statements, kept by this browser and nowhere else. */

const MOST = 50;
const LONGEST = 20_000;

const keyOf = (project: string) => `delta.sql.${project}`;

/** The newest first. */
export function listHistory(project: string): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(project)) ?? "[]");
    return Array.isArray(kept) ? kept.filter((each) => typeof each === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

/** Each once. What is very long is not kept. */
export function remember(project: string, text: string): string[] {
  const kept = text.length > LONGEST ? listHistory(project) : withFirst(text, listHistory(project));
  write(project, kept);
  return kept;
}

export function clearHistory(project: string): string[] {
  write(project, []);
  return [];
}

function withFirst(text: string, before: readonly string[]): string[] {
  return [text, ...before.filter((each) => each !== text)].slice(0, MOST);
}

function write(project: string, kept: readonly string[]): void {
  try {
    localStorage.setItem(keyOf(project), JSON.stringify(kept));
  } catch {
    // Storage may be off or full: the page works without.
  }
}
