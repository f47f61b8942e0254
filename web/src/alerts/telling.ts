/** A webhook to choose. */
export interface Hearer {
  id: string;
  name: string;
  isTold: boolean;
}

/** The project's webhooks, and what `tell` names besides: a rule that was kept has ids, others may have names too. */
export function hearers(webhooks: readonly { id: string; name: string }[], tell: readonly string[]): Hearer[] {
  const known = webhooks.map(({ id, name }) => ({ id, name, isTold: tell.includes(id) || tell.includes(name) }));
  const gone = tell.filter((each) => !webhooks.some(({ id, name }) => each === id || each === name));
  return [...known, ...gone.map((id) => ({ id, name: `${id} (deleted)`, isTold: true }))];
}

/** `tell` with this one chosen, or no longer. */
export function turned({ id, name, isTold }: Hearer, tell: readonly string[]): string[] {
  return isTold ? tell.filter((each) => each !== id && each !== name) : [...tell, id];
}
