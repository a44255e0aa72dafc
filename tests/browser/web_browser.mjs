// A real browser, and pages of an origin of their own.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(new URL("../clients/node/server.mjs", import.meta.url)).resolve("axe-core/axe.min.js"), "utf8");
const CHROMIUM = process.env.PUSHI_CHROMIUM ?? "/usr/bin/chromium";
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A browser with an empty profile; `stop()` ends it. */
export async function openBrowser(...more) {
  const profile = mkdtempSync(join(tmpdir(), "pushi-browser-"));
  const settings = { executablePath: CHROMIUM, args: [...ARGUMENTS, ...more], timeout: 60_000 };
  const browser = await chromium.launchPersistentContext(profile, settings);
  browser.setDefaultTimeout(20_000);
  const stop = async () => {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return { browser, stop };
}

/** Serves `files`, path to text, as a site of another origin than the server's. */
export async function openSite(files) {
  const type = (path) => (path.endsWith("js") ? "text/javascript" : "text/html; charset=utf-8");
  const server = createServer((request, response) => {
    const text = files[request.url];
    response.writeHead(text === undefined ? 404 : 200, { "Content-Type": type(request.url) }).end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}

/** Waits until `condition`, run in the page with `argument`, is true. */
export function until(page, condition, argument) {
  return page.waitForFunction(condition, argument, { polling: 20 });
}

/** The findings of axe-core in a page as it is shown. */
export async function findings(page) {
  // The page's policy forbids scripts that are added to it, but not those of the test's protocol.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
