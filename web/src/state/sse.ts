/** Server-sent events out of the bytes of an answer: fetch can send a token, EventSource cannot. */

export interface Sent {
  event: string;
  data: string;
  /** The last id there was, which a client that comes back names. */
  id: string;
}

/** Takes the text as it comes and gives the events that are whole. */
export class SseReader {
  private rest = "";
  private id = "";

  push(text: string): Sent[] {
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    const found: Sent[] = [];
    for (const line of lines) {
      const sent = this.line(line);
      if (sent) found.push(sent);
    }
    return found;
  }

  private event = "";
  private data: string[] = [];

  private line(line: string): Sent | null {
    if (line === "") {
      const sent =
        this.data.length > 0 ? { event: this.event || "message", data: this.data.join("\n"), id: this.id } : null;
      this.event = "";
      this.data = [];
      return sent;
    }
    const colon = line.indexOf(":");
    const [name, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (name === "event") this.event = value;
    else if (name === "data") this.data.push(value);
    else if (name === "id") this.id = value;
    return null;
  }

  get lastId(): string {
    return this.id;
  }
}
