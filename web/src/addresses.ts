/** A key as people read it: of an address its last part. */
export function lastPart(key: string): string {
  return /^https?:\/\/\S+\/[^/\s]+$/.test(key) ? key.slice(key.lastIndexOf("/") + 1) : key;
}
