/** A cache of promises bounded by bytes: the least lately used go first. A question that failed is asked again. */

interface Entry<T> {
  value: Promise<T>;
  bytes: number;
}

export class Kept<T> {
  private readonly entries = new Map<string, Entry<T>>();
  private bytes = 0;
  /** What is in use, and is not dropped for others. */
  held: string | null = null;

  constructor(
    private readonly most: number,
    private readonly load: (key: string) => Promise<{ value: T; bytes: number }>,
    private readonly dropped: (key: string) => void = () => undefined,
  ) {}

  get(key: string): Promise<T> {
    const there = this.entries.get(key);
    if (there) {
      this.entries.delete(key);
      this.entries.set(key, there);
      return there.value;
    }
    const entry: Entry<T> = { value: this.fill(key), bytes: 0 };
    this.entries.set(key, entry);
    return entry.value;
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  forget(key: string): void {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    this.bytes -= entry.bytes;
    this.dropped(key);
  }

  clear(): void {
    for (const key of [...this.entries.keys()]) this.forget(key);
  }

  private async fill(key: string): Promise<T> {
    try {
      const { value, bytes } = await this.load(key);
      const entry = this.entries.get(key);
      if (entry) {
        entry.bytes = bytes;
        this.bytes += bytes;
        this.shrink(key);
      }
      return value;
    } catch (error) {
      this.entries.delete(key);
      throw error;
    }
  }

  private shrink(newest: string): void {
    for (const [key, entry] of this.entries) {
      if (this.bytes <= this.most) return;
      if (key !== newest && key !== this.held && entry.bytes > 0) this.forget(key);
    }
  }
}
