/** Lines to copy: how programs send a snapshot or an event, with the server's address and a key in them. */

export interface Place {
  /** The server's address, with a slash at its end. */
  base: string;
  key: string;
  project: string;
}

export const KEY = "YOUR_KEY";
export const ENDPOINT = "weather";

const DOCUMENT = '{"temperature": 21.5, "sky": "clear"}';
const EVENT = '{"eventType": "signup", "userId": "user-42"}';

export const LANGUAGES = { curl: "curl", python: "Python", javascript: "JavaScript", cli: "Command line" } as const;
export type Language = keyof typeof LANGUAGES;

export function snapshotLines(language: Language, place: Place): string {
  const url = `${place.base}v1/snapshots?endpoint=${ENDPOINT}`;
  return language === "cli" ? commandLines(place) : requestLines(language, url, DOCUMENT, place.key);
}

/** None for the command line, which imports documents only. */
export function eventLines(language: Language, place: Place): string | null {
  return language === "cli" ? null : requestLines(language, `${place.base}v1/events`, EVENT, place.key);
}

function requestLines(language: Exclude<Language, "cli">, url: string, body: string, key: string): string {
  if (language === "curl") {
    return [
      `curl '${url}' \\`,
      `  -H 'Authorization: Bearer ${key}' \\`,
      "  -H 'Content-Type: application/json' \\",
      `  -d '${body}'`,
    ].join("\n");
  }
  if (language === "python") {
    return [
      "import json, urllib.request",
      "",
      "request = urllib.request.Request(",
      `    ${JSON.stringify(url)},`,
      `    data=json.dumps(${body}).encode(),`,
      `    headers={"Authorization": "Bearer ${key}", "Content-Type": "application/json"},`,
      ")",
      "print(urllib.request.urlopen(request).read().decode())",
    ].join("\n");
  }
  return [
    `const answer = await fetch(${JSON.stringify(url)}, {`,
    '  method: "POST",',
    `  headers: { Authorization: "Bearer ${key}", "Content-Type": "application/json" },`,
    `  body: JSON.stringify(${body}),`,
    "});",
    "console.log(await answer.json());",
  ].join("\n");
}

/** What a page of a website holds to be counted: the script, or an image where pages have no scripts. */
export function websiteLines(kind: "script" | "pixel", { base, key }: Place): string {
  if (kind === "script") return `<script defer src="${base}script.js" data-key="${key}"></script>`;
  const address = `${base}v1/pixel?writeKey=${key}`;
  return `<img src="${address}" alt="" width="1" height="1" referrerpolicy="no-referrer-when-downgrade">`;
}

/** The versions of a file in git: the history that most people have already. It is run where the server is. */
function commandLines({ project }: Place): string {
  return `delta-server import --project ${quoted(project)} --endpoint ${ENDPOINT} --git ./repository data/weather.json`;
}

/** A word of a shell's line, whatever is in it: names are what others wrote. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
