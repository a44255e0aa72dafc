// The page at the server's root, in a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../clients/node/server.mjs";
import { findings, openBrowser, until } from "./web_browser.mjs";

let browser;
let stop;
before(async () => ({ browser, stop } = await openBrowser()));
after(() => stop?.());

/** Opens the root of a server; `complaints` gets what the page reports, `elsewhere` what it loads from other origins. */
async function open(server) {
  const page = await browser.newPage();
  const [complaints, elsewhere] = [[], []];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(server.url) && !url.startsWith("data:")) elsewhere.push(url);
  });
  await page.goto(`${server.url}/`);
  await until(page, () => document.getElementById("status").textContent !== "…");
  return { page, complaints, elsewhere };
}

test("at a first start the page publishes, and shows what arrives", { timeout: 60_000 }, async () => {
  const server = await Server.start({ PUSHI_ADMIN_TOKEN: undefined });
  try {
    const { page, complaints, elsewhere } = await open(server);
    assert.equal(await page.locator("#status").innerText(), "ready");
    const key = (await page.locator("#websocket").innerText()).split("/").at(-1);
    assert.match(key, /^[0-9a-f]{64}$/);
    await page.locator("#text").fill("<b>hello</b>");
    await page.locator("#send:enabled").click();
    const arrived = page.locator("#arrived li").first();
    assert.equal(await arrived.locator("span").innerText(), "<b>hello</b>");
    assert.match(await arrived.locator("time").innerText(), /^after [0-9.]+ ms$/);

    // What a back end publishes arrives as well.
    const command = server.log.match(/events\?sid=([0-9a-f]+)/);
    const body = JSON.stringify({ channel: "global", event: "message", data: "from a back end", persist: false });
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${server.url}/events?sid=${command[1]}`, { method: "POST", headers, body });
    assert.equal(answer.status, 200);
    await page.locator("#arrived li", { hasText: "from a back end" }).waitFor();

    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await findings(page), [], colorScheme);
    }
    await page.setViewportSize({ width: 360, height: 700 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing is cut off");
    const links = await page.locator("main a").evaluateAll((all) => all.map(({ href }) => href));
    assert.ok(links.length >= 8);
    for (const link of links) assert.equal((await fetch(link)).status, 200, link);
    assert.deepEqual(complaints, []);
    assert.deepEqual(elsewhere, []);
    await page.close();
  } finally {
    await server.stop();
  }
});

test("with other apps the page shows no key, and nothing to publish with", { timeout: 60_000 }, async () => {
  const server = await Server.start();
  try {
    await server.createApp();
    const { page, complaints } = await open(server);
    assert.equal(await page.locator("#status").innerText(), "ready");
    assert.ok(await page.locator("#try").isHidden());
    assert.match(await page.locator("#websocket").innerText(), /\/APP_KEY$/);
    assert.deepEqual(await findings(page), []);
    assert.deepEqual(complaints, []);
    await page.close();
  } finally {
    await server.stop();
  }
});
