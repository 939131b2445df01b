/** The files of the status page, read once: its own, and the charts that come with a package. Nothing else is loaded. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Pages, TextAnswer } from '../answer-server.ts';

const types = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
} as const;

/**
 * Nothing inline, nothing from elsewhere, in no frame: were a host name ever to become markup, it would still do
 * nothing. The icon is the one image, and it is drawn in the page itself.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** Reads the files. @throws the system's error where one is missing */
export function readPageFiles(): Pages {
  const own = (name: string) => join(import.meta.dirname, 'page', name);
  const { resolve } = createRequire(import.meta.url);
  const files: Readonly<Record<string, string>> = {
    '/status': own('status.html'),
    '/status/status.css': own('status.css'),
    '/status/status.js': own('status.js'),
    '/status/now.js': own('now.js'),
    '/status/refused.js': own('refused.js'),
    '/status/standing.js': own('standing.js'),
    '/status/live.js': own('live.js'),
    '/status/tables.js': own('tables.js'),
    '/status/chart.js': own('chart.js'),
    '/status/words.js': own('words.js'),
    '/status/uplot.js': resolve('uplot/dist/uPlot.iife.min.js'),
    '/status/uplot.css': resolve('uplot/dist/uPlot.min.css'),
  };
  return Object.fromEntries(
    Object.entries(files).map(([path, file]) => {
      const answer: TextAnswer = {
        status: 200,
        contentType: types[file.slice(file.lastIndexOf('.') + 1) as keyof typeof types],
        body: readFileSync(file, 'utf8'),
        fields: { 'Content-Security-Policy': policy, 'Referrer-Policy': 'no-referrer', 'X-Frame-Options': 'DENY' },
      };
      return [path, () => answer];
    }),
  );
}
