// The page of the WebSocket protocols in a real browser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { Server } from "../clients/node/server.mjs";
import { openBrowser } from "./web_browser.mjs";

const AXE = readFileSync(createRequire(new URL("../clients/node/server.mjs", import.meta.url)).resolve("axe-core/axe.min.js"), "utf8");

let browser;
let stop;
before(async () => ({ browser, stop } = await openBrowser()));
after(() => stop?.());

test("the page shows every frame, loads nothing, and has no barriers", { timeout: 60_000 }, async () => {
  const server = await Server.start();
  try {
    const page = await browser.newPage();
    const [complaints, requests] = [[], []];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("request", (request) => !request.url().startsWith("data:") && requests.push(request.url()));
    await page.goto(`${server.url}/`);
    await page.getByRole("link", { name: "WebSocket protocols" }).click();
    await page.waitForURL(`${server.url}/docs/websocket`);
    requests.length = 0;
    await page.reload();
    assert.deepEqual(requests, [`${server.url}/docs/websocket`]);

    const document = await (await fetch(`${server.url}/asyncapi.json`)).json();
    const shown = await page.locator("h4").evaluateAll((all) => all.map((heading) => [heading.id, heading.parentElement.querySelectorAll("pre").length]));
    const described = Object.entries(document.channels).flatMap(([dialect, { messages }]) =>
      Object.entries(messages).map(([key, { examples }]) => [`${dialect}-${key}`, examples.length]),
    );
    assert.deepEqual(shown.sort(), described.sort());
    assert.equal(await page.locator("main code", { hasText: `${server.url.replace("http", "ws")}/app/APP_KEY` }).count(), 1);

    // The page's policy forbids scripts that are added to it, but not those of the test's protocol.
    await page.evaluate(AXE);
    for (const [colorScheme, width] of [["light", 1280], ["dark", 360]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      assert.ok(await page.evaluate(() => globalThis.document.documentElement.scrollWidth <= innerWidth), `nothing is cut off at ${width}`);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`), [], colorScheme);
    }
    for (const link of await page.locator("header a").evaluateAll((all) => all.map(({ href }) => href))) {
      assert.equal((await fetch(link)).status, 200, link);
    }
    assert.deepEqual(complaints, []);
    await page.close();
  } finally {
    await server.stop();
  }
});
