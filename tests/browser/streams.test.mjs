// Streams over plain HTTP in a page: the browser's EventSource, and the client behind a proxy that refuses upgrades.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../clients/node/server.mjs";
import { Network } from "../clients/web/network.mjs";
import { Upgradeless } from "../clients/web/upgradeless.mjs";
import { openBrowser, openSite, until } from "./web_browser.mjs";

const options = { timeout: 60_000 };

let server;
let browser;
let stopBrowser;
before(async () => {
  server = await Server.start();
  ({ browser, stop: stopBrowser } = await openBrowser());
});
after(async () => {
  await stopBrowser?.();
  await server?.stop();
});

async function open(script, head = "") {
  const site = await openSite({ "/": `<!doctype html>${head}<script>${script}</script>` });
  const page = await browser.newPage();
  await page.goto(`${site.url}/`);
  return { page, site };
}

const texts = (page) => page.evaluate(() => heard.map(({ data }) => data));

test("EventSource of another origin continues where it was, also before the first event", options, async () => {
  const app = await server.createApp();
  const network = await Network.to(server.port);
  const { page, site } = await open(`
    var heard = [], opened = 0;
    var source = new EventSource("http://127.0.0.1:${network.port}/stream/${app.key}?channel=a&channel=b");
    source.onopen = () => opened++;
    source.onmessage = (event) => heard.push(JSON.parse(event.data));`);
  await until(page, () => opened === 1);
  for (const [channel, text] of [["a", "1"], ["b", "2"]]) {
    network.break();
    await app.publish(channel, text, { event: "message" });
    network.mend();
    await until(page, (text) => heard.at(-1)?.data === text, text);
  }
  await app.publish("a", "3", { event: "message" });
  await until(page, () => heard.length >= 3);
  assert.deepEqual(await texts(page), ["1", "2", "3"]);
  await page.close();
  await site.stop();
  await network.stop();
});

test("the client falls back to a stream behind a proxy that refuses upgrades", options, async () => {
  const app = await server.createApp();
  const proxy = await Upgradeless.to(server.port);
  const { page, site } = await open(
    `
    var heard = [];
    var pushi = new Pushi("${app.key}", { timeout: 100 });
    var channel = pushi.subscribe("a");
    channel.bind("message", (event, data) => heard.push({ data }));`,
    `<script src="${proxy.url}/pushi.js"></script>`,
  );
  await until(page, () => channel.subscribed);
  assert.equal(await page.evaluate(() => pushi.transport), "stream");
  await app.publish("a", "1", { event: "message" });
  await until(page, () => heard.length === 1);
  const stored = await page.evaluate(() => channel.send("message", "2", true));
  assert.equal(stored.serial, 2);
  await until(page, () => heard.length === 2);
  proxy.cut();
  await app.publish("a", "3", { event: "message" });
  await until(page, () => heard.length >= 3);
  assert.deepEqual(await texts(page), ["1", "2", "3"]);
  await page.close();
  await site.stop();
  await proxy.stop();
});
