/**
 * What is used of `node:http`. An `import` of it asks for every one of its exports, WebSocket and its kind among them,
 * which loads the platform's whole HTTP client: a third of the time in which a start is to be done. Asked for by name it
 * gives what is named.
 */
import process from 'node:process';

export const { STATUS_CODES, createServer } = process.getBuiltinModule('node:http');
