// What the scripts of both clients share: requests whose answers get lost, and waiting.

import { createInterface } from "node:readline";

const [url, key] = process.argv.slice(2);
export const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };

/** How a replica reaches the server: `online` or not, and how many answers are yet to be lost on the way back. */
export class Line {
  online = true;
  toLose = 0;
  lost = 0;

  async ask(path, body) {
    if (!this.online) throw new Error("offline");
    const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const answer = await fetch(url + path, { headers, ...sent });
    const text = await answer.text();
    if (this.toLose > 0) {
      this.toLose -= 1;
      this.lost += 1;
      throw new Error("the answer was lost");
    }
    if (!answer.ok) throw Object.assign(new Error(text), { status: answer.status });
    return JSON.parse(text);
  }

  /** As EventSource: calls `heard` for each event of a stream, and connects again when it ends, until it is aborted. */
  async follow(path, signal, heard) {
    while (!signal.aborted) {
      try {
        await this.#read(path, signal, heard);
      } catch {
        if (!signal.aborted) await new Promise((done) => setTimeout(done, 50));
      }
    }
  }

  async #read(path, signal, heard) {
    const answer = await fetch(url + path, { headers, signal });
    let text = "";
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const data = /^data: (.*)$/m.exec(text.slice(0, end));
        if (data) heard(data[1]);
        text = text.slice(end + 2);
      }
    }
  }
}

export async function until(what, holds) {
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`not reached: ${what}`);
}

export function equal(what, one, other) {
  const [left, right] = [JSON.stringify(one), JSON.stringify(other)];
  if (left !== right) throw new Error(`${what}: ${left} is not ${right}`);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Says where it has got to, and waits until whoever started it has done its part. */
export async function pause(what) {
  process.stdout.write(`${what}\n`);
  await lines.next();
}
