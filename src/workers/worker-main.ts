/** The edge of a worker process, which the primary starts. */
import process from 'node:process';
import { work } from './worker.ts';

process.exit(await work());
