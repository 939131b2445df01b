/** A table of at most so many entries: what was touched longest ago goes first. */
export interface BoundedTable<T> {
  get(key: string): T | undefined;
  /** Writes an entry as the newest. */
  set(key: string, entry: T): void;
  delete(key: string): void;
  readonly size: number;
}

/** However many names and addresses somebody comes up with, the memory that they take is bounded. */
export function createBoundedTable<T>(maxEntries: number): BoundedTable<T> {
  const entries = new Map<string, T>();
  return {
    get: (key) => entries.get(key),
    set(key, entry) {
      // A map keeps the order of insertion: an entry written again has to be inserted again.
      entries.delete(key);
      entries.set(key, entry);
      if (entries.size <= maxEntries) return;
      for (const oldest of entries.keys()) {
        entries.delete(oldest);
        return;
      }
    },
    delete: (key) => void entries.delete(key),
    get size() {
      return entries.size;
    },
  };
}
