/** A name as a segment of an address; the server (http/paths.py) and the routes read it the same way. Browsers take `.` and
 * `..` out of a path, however they are encoded: these have a mark before them. */
export function segment(name: string): string {
  return name === "." || name === ".." ? `=${name}` : encodeURIComponent(name);
}

/** The name that stands in a segment. Throws URIError where a percent sign encodes nothing. */
export function nameIn(segment: string): string {
  return segment === "=." || segment === "=.." ? segment.slice(1) : decodeURIComponent(segment);
}
