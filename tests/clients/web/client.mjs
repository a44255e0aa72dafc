// The client as served, loaded into this process, and functions that observe it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";

import WebSocket from "ws";

export const options = { timeout: 60_000 };

/** A file of the server, in a separate folder; `drop()` removes it. */
export async function download(server, ...names) {
  const folder = mkdtempSync(join(tmpdir(), "pushi-web-"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  for (const name of names) {
    const answer = await fetch(`${server.url}/${name}`);
    if (answer.status !== 200) throw new Error(`${name}: ${answer.status}`);
    writeFileSync(join(folder, name), await answer.text());
  }
  return { folder, drop: () => rmSync(folder, { recursive: true }) };
}

/**
 * Makes clients of the served module: `make(options, app)`, each with a socket of its own unless `share` says otherwise,
 * and `close()`, which closes all that were made.
 */
export async function clients(server, app) {
  const { folder, drop } = await download(server, "pushi.mjs");
  const module = await import(pathToFileURL(join(folder, "pushi.mjs")));
  drop();
  const made = [];
  const make = (settings = {}, key = app.key) => {
    const pushi = new module.Pushi(key, { baseUrl: server.wsUrl, WebSocket, timeout: 300, global: false, share: false, ...settings });
    made.push(pushi);
    return pushi;
  };
  const close = () => Promise.all(made.splice(0).map((pushi) => pushi.close()));
  return { ...module, make, close };
}

/** The arguments of the next `event`. */
export function next(target, event, seconds = 10) {
  const late = pause(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(`no ${event} within ${seconds} s`);
  });
  return Promise.race([new Promise((done) => target.bind(event, (...values) => done(values), true)), late]);
}

/** The arguments of all further `event`s. */
export function all(target, event) {
  const seen = [];
  target.bind(event, (...values) => seen.push(values));
  return seen;
}

/** Waits until all frames sent to `pushi` before have been handled. */
export async function settled(pushi) {
  const [name] = Object.keys(pushi.channels);
  await pushi.latest(name, 0, 1);
}
