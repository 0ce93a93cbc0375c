/**
 * What only Node has. `process.getBuiltinModule` (Node 20.16) reaches it without an import, so that neither browsers
 * nor bundlers ever see a module that they do not know.
 */

/** Returns Node's `fs`, undefined in a browser. */
export function nodeFs(): typeof import("node:fs") | undefined {
  return builtin("node:fs") as typeof import("node:fs") | undefined;
}

/** Returns Node's `crypto`, undefined in a browser. */
export function nodeCrypto(): typeof import("node:crypto") | undefined {
  return builtin("node:crypto") as typeof import("node:crypto") | undefined;
}

/** Says whether this is Node (or what behaves like it). */
export function inNode(): boolean {
  return globalThis.process?.versions?.node !== undefined;
}

function builtin(name: string): object | undefined {
  return inNode() ? globalThis.process.getBuiltinModule?.(name) : undefined;
}
