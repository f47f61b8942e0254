/** Has the browser save a file. A request with a token cannot be a link, so the bytes come to the page first. */

export async function saveAnswer(answer: Response, name: string): Promise<void> {
  save(await answer.blob(), name);
}

export function saveText(text: string, name: string, type: string): void {
  save(new Blob([text], { type }), name);
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken the bytes over by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
