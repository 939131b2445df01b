/** What the doctor says: one shape for everything it looked at, and one for what it could not see. */

/** Headings of the report, in its order. */
export const groups = ['configuration', 'proxy', 'machine', 'network', 'azure'] as const;
export type Group = (typeof groups)[number];

/** What is looked at; the words are stable, for who reads `--json`. */
export type Check =
  | 'config'
  | 'certificate'
  | 'process'
  | 'listener'
  | 'admin'
  | 'forbidden'
  | 'tunnel'
  | 'open-files'
  | 'workers'
  | 'unit'
  | 'socket-unit'
  | 'access-log'
  | 'state'
  | 'clock'
  | 'dns'
  | 'egress'
  | 'parent'
  | 'ranges'
  | 'metadata'
  | 'identity'
  | 'clients'
  | 'security-groups'
  | 'routes';

export interface Finding {
  readonly group: Group;
  readonly check: Check;
  /** `unseen`: it cannot be told from here, and says nothing for or against this proxy. */
  readonly state: 'ok' | 'warn' | 'fail' | 'unseen';
  /** What was looked at, or found; for `unseen` why it was not. */
  readonly detail: string;
  /** What ends it, as a command or a line to write; for `unseen` how to find out. Null where nothing is to be done. */
  readonly fix: string | null;
}

/** Makes the findings of one check. */
export interface Say {
  ok(detail: string): Finding;
  warn(detail: string, fix: string): Finding;
  fail(detail: string, fix: string): Finding;
  unseen(why: string, test: string): Finding;
}

export function about(group: Group, check: Check): Say {
  const say =
    (state: Finding['state']) =>
    (detail: string, fix: string | null = null) => ({
      group,
      check,
      state,
      detail,
      fix,
    });
  return { ok: say('ok'), warn: say('warn'), fail: say('fail'), unseen: say('unseen') };
}

/** What an error says, for a line of the report. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}
