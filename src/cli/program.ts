/**
 * The commands, their arguments and their usage, described once; what a command does is loaded when it is asked for, so
 * that none waits for the others. Sole user of commander.
 */
import process from 'node:process';
import { Command, CommanderError, Option } from 'commander';
import { runningCommands, tunnelsCommands } from './ask-running.ts';
import { clientConfigCommands } from './client-config.ts';
import { findConfigFile } from './load-config.ts';
import type { CommandDescription } from './logs-commands.ts';
import { logsCommands, whyCommand } from './logs-commands.ts';
import { describeVersion } from './version.ts';

interface SharedOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** Runs one command line; gives its exit code, 2 for wrong usage. */
export async function run(argv: readonly string[]): Promise<number> {
  let code = 0;
  const out = (text: string) => void process.stdout.write(text);
  const program = new Command('lockdown-proxy')
    .description('The egress proxy of a locked-down Azure virtual network.')
    .option(
      '--config <file>',
      'configuration file (else $LOCKDOWN_PROXY_CONFIG, /etc/lockdown-proxy/config.yaml, the defaults)',
    )
    .option('--json', 'report as JSON')
    .exitOverride();
  const shared = (command: Command) => {
    const { config, json } = command.optsWithGlobals<SharedOptions>();
    return { config: findConfigFile(config), json: json ?? false, out };
  };

  program
    .command('serve')
    .description('run the proxy')
    .option('--strict', 'do not start from the last good configuration')
    .action(async ({ strict }: { strict?: boolean }, command: Command) => {
      code = await (await import('./serve.ts')).serve({ ...shared(command), strict: strict ?? false });
    });
  program
    .command('check')
    .description('validate the configuration and the allowlists')
    .option('--fix', 'rewrite rules to normal form')
    .action(async ({ fix }: { fix?: boolean }, command: Command) => {
      code = await (await import('./check.ts')).runCheck({ ...shared(command), fix: fix ?? false });
    });
  program
    .command('explain')
    .description('say how a target is decided, and why')
    .argument('<target>', 'host:port, or a URL')
    .option('--from <ip>', 'the client that asks (else one that is admitted)')
    .option('--user <name>', 'the user that asks')
    .option('--resolve <ips>', 'addresses to judge instead of looking the host up, with commas')
    .option('--method <method>', 'the method of an http URL (else GET)')
    .option('--running', 'let the running proxy decide, by the configuration that is in force')
    .action(
      async (
        target: string,
        options: { from?: string; user?: string; resolve?: string; method?: string; running?: boolean },
        command: Command,
      ) => {
        const { from = null, user = null, resolve, method = null, running = false } = options;
        code = await (
          await import('./run-explain.ts')
        ).runExplain({
          ...shared(command),
          target,
          from,
          user,
          resolve: resolve?.split(',') ?? null,
          method,
          running,
        });
      },
    );
  const ranges = program.command('ranges').description('the datacenter ranges behind `tag:` and `within tag:`');
  ranges
    .command('status')
    .description('say which ranges are in force, where they came from and how old they are')
    .action(async (_options, command: Command) => {
      code = await (await import('./ranges.ts')).runRangesStatus(shared(command));
    });
  ranges
    .command('refresh')
    .description('fetch the ranges now')
    .option('--force', 'take them although tags shrank or grew more than is usual')
    .action(async ({ force }: { force?: boolean }, command: Command) => {
      code = await (await import('./ranges.ts')).runRangesRefresh({ ...shared(command), force: force ?? false });
    });
  ranges
    .command('list')
    .description('print the prefixes of a tag, one a line')
    .argument('<tag>', 'a service tag, in any case')
    .action(async (tag: string, _options, command: Command) => {
      code = await (await import('./ranges.ts')).runRangesQuery(shared(command), { command: 'list', tag });
    });
  ranges
    .command('find')
    .description('print the tags that hold an address')
    .argument('<ip>', 'an address')
    .action(async (address: string, _options, command: Command) => {
      code = await (await import('./ranges.ts')).runRangesQuery(shared(command), { command: 'find', address });
    });
  ranges
    .command('diff')
    .description('print what changed between two files of ranges')
    .argument('<old>', 'a file in any of the published formats')
    .argument('<new>', 'a file in any of the published formats')
    .action(async (old: string, next: string, _options, command: Command) => {
      code = (await import('./ranges-diff.ts')).runRangesDiff({ ...shared(command), old, next });
    });
  ranges
    .command('export')
    .description('print the ranges of tags for use elsewhere')
    .requiredOption('--tag <tags...>', 'the tags, in any case')
    .option('--format <formats>', 'nsg, json or text; several with commas', 'nsg')
    .action(async ({ tag, format }: { tag: string[]; format: string }, command: Command) => {
      code = await (
        await import('./ranges.ts')
      ).runRangesQuery(shared(command), { command: 'export', tags: tag, format });
    });
  const describe = (parent: Command, { usage, description, options, run }: CommandDescription) => {
    const command = parent.command(usage).description(description);
    for (const [flags, text] of options) {
      const option = new Option(flags, text);
      // `--no-proxy LIST` is an option of its own, not the negation of `--proxy`.
      if (option.required) option.negate = false;
      command.addOption(option);
    }
    command.action(async () => {
      code = await run(shared(command), command.args, command.opts());
    });
  };
  const logs = program
    .command('logs')
    .description('read access logs: files, `-`, or the configured one and its rotated ones');
  for (const command of logsCommands) describe(logs, command);
  describe(program, whyCommand);
  program
    .command('doctor')
    .description('look at this machine and its way out, end to end, and say what is wrong and how to mend it')
    .option('--host <names...>', 'names that clients use, to be tried beside or instead of the known ones')
    .action(async ({ host = [] }: { host?: string[] }, command: Command) => {
      code = await (await import('./doctor.ts')).runDoctor(shared(command), host);
    });
  const clientConfig = program
    .command('client-config')
    .description('what application VMs need to go through this proxy');
  for (const command of clientConfigCommands) describe(clientConfig, command);
  for (const command of runningCommands) describe(program, command);
  const tunnels = program.command('tunnels').description('the tunnels that are open in the running proxy');
  for (const command of tunnelsCommands) describe(tunnels, command);
  const users = program.command('users').description('who may sign in: the users file of the configuration');
  users
    .command('add')
    .description('add a user or change a password, read from the terminal or two lines of standard input')
    .argument('<name>', 'the user')
    .action(async (name: string, _options, command: Command) => {
      code = await (await import('./users.ts')).runUsersAdd(shared(command), name);
    });
  users
    .command('remove')
    .description('take a user out')
    .argument('<name>', 'the user')
    .action(async (name: string, _options, command: Command) => {
      code = await (await import('./users.ts')).runUsersRemove(shared(command), name);
    });
  users
    .command('list')
    .description('print the users and how their passwords are stored')
    .action(async (_options, command: Command) => {
      code = await (await import('./users.ts')).runUsersList(shared(command));
    });
  users
    .command('verify')
    .description('tell whether a password is right, read from the terminal or a line of standard input')
    .argument('<name>', 'the user')
    .action(async (name: string, _options, command: Command) => {
      code = await (await import('./users.ts')).runUsersVerify(shared(command), name);
    });
  program
    .command('version')
    .description('print the version, ours and the runtime’s')
    .action((_options, command: Command) => out(describeVersion(shared(command).json)));

  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
  return code;
}
