/**
 * Reads PowerShell by its published grammar: where the syntax breaks, and which commands a script would run with which
 * parameters. Nothing is evaluated. Sole user of tree-sitter.
 */
import { createRequire } from 'node:module';
import { Language, Parser } from 'web-tree-sitter';
import type { Node } from 'web-tree-sitter';

/** A command as written: its name, and its arguments in order; a parameter is one of them, dash and all. */
export interface PowerShellCommand {
  readonly name: string;
  readonly words: readonly string[];
  /** Counted from 1. */
  readonly line: number;
}

export interface PowerShellScript {
  /** `line: text` of everything that the grammar has no place for. */
  readonly faults: readonly string[];
  readonly commands: readonly PowerShellCommand[];
  /** The functions that the script defines. */
  readonly functions: readonly string[];
}

let parser: Promise<Parser> | null = null;

async function createParser(): Promise<Parser> {
  await Parser.init();
  const grammar = createRequire(import.meta.url).resolve('tree-sitter-powershell/tree-sitter-powershell.wasm');
  return new Parser().setLanguage(await Language.load(grammar));
}

export async function readPowerShell(text: string): Promise<PowerShellScript> {
  parser ??= createParser();
  const tree = (await parser).parse(text);
  if (!tree) throw new Error('nothing was parsed');
  const root = tree.rootNode;
  const faults = [...walk(root)]
    .filter((node) => node.isError || node.isMissing)
    .map(
      (node) => `${node.startPosition.row + 1}: ${node.isMissing ? `missing ${node.type}` : node.text.slice(0, 80)}`,
    );
  const commands = root.descendantsOfType('command').flatMap((node) => (node ? [readCommand(node)] : []));
  const functions = root.descendantsOfType('function_name').flatMap((node) => (node ? [node.text] : []));
  tree.delete();
  return { faults, commands, functions };
}

function* walk(node: Node): Generator<Node> {
  yield node;
  for (const child of node.children) if (child) yield* walk(child);
}

function readCommand(node: Node): PowerShellCommand {
  const [name = '', ...words] = node.children.flatMap((child) => {
    if (!child || child.type === 'command_invokation_operator') return [];
    return child.type === 'command_elements'
      ? child.children.flatMap((part) => (part ? [part.text] : []))
      : [child.text];
  });
  return {
    name,
    words: words.map((word) => word.trim()).filter((word) => word !== ''),
    line: node.startPosition.row + 1,
  };
}
