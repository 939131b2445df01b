/** How many lines a client outside the networks gets. */

export interface RefusalLimit {
  /** Whether this refusal gets a line, and how many of the client's before it got none. `now` in ms. */
  admit(client: string, now: number): { readonly write: boolean; readonly suppressed: number };
}

interface Window {
  readonly start: number;
  lines: number;
  suppressed: number;
}

export interface RefusalLimitOptions {
  readonly maxLines?: number;
  readonly windowMs?: number;
  /** Clients remembered; beyond, the one whose window is oldest is forgotten. */
  readonly maxClients?: number;
}

/** Counts lines by client in windows of a minute that begin with the client's first. */
export function createRefusalLimit(options: RefusalLimitOptions = {}): RefusalLimit {
  const { maxLines = 10, windowMs = 60_000, maxClients = 4096 } = options;
  /** In the order in which the windows began. */
  const windows = new Map<string, Window>();

  return {
    admit(client, now) {
      const window = windows.get(client);
      if (window !== undefined && now - window.start < windowMs) {
        const write = window.lines < maxLines;
        if (write) window.lines += 1;
        else window.suppressed += 1;
        return { write, suppressed: 0 };
      }
      windows.delete(client);
      const oldest = windows.keys().next();
      if (windows.size >= maxClients && !oldest.done) windows.delete(oldest.value);
      windows.set(client, { start: now, lines: 1, suppressed: 0 });
      return { write: true, suppressed: window?.suppressed ?? 0 };
    },
  };
}
