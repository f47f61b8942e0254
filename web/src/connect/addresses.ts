/** Secret addresses: as the server says them, or below its own where it does not know its address. */
export function whole(address: string, base: string = document.baseURI): string {
  return new URL(address.replace(/^\//, ""), base).href;
}

/** For how long the address before works, as forms offer it. */
export const OVERLAPS = { "24h": "Another day", "1h": "Another hour", "7d": "Another week", "0m": "Not at all" };
