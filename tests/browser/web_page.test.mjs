// The client in a page: the quick start, another origin, a worker, offline and back, and memory.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, afterEach, before, test } from "node:test";
import { promisify } from "node:util";

import { Server, waitUntil } from "../clients/node/server.mjs";
import { Network } from "../clients/web/network.mjs";
import { openBrowser, openSite, until } from "./web_browser.mjs";

const options = { timeout: 120_000 };
const run = promisify(execFile);

let server;
let app;
let browser;
let stopBrowser;
let site;
before(async () => {
  server = await Server.start({ PUSHI_MAX_REPLAY: "20" });
  // The garbage collector is asked to run where memory is measured.
  ({ browser, stop: stopBrowser } = await openBrowser("--js-flags=--expose-gc", "--enable-precise-memory-info"));
});
afterEach(async () => {
  await site?.stop();
  site = undefined;
});
after(async () => {
  await stopBrowser?.();
  await server?.stop();
});

/** A page of another origin with this body; what it complains of fails the test that `check()`s. */
async function open(body, more = {}) {
  app = await server.createApp();
  const text = (file) => file.replaceAll("SERVER", server.url).replaceAll("YOUR_APP_KEY", app.key);
  const files = Object.fromEntries(Object.entries({ "/": `<!doctype html><body>${body}`, ...more }).map(([path, file]) => [path, text(file)]));
  site = await openSite(files);
  const page = await browser.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${site.url}/`);
  const check = async () => {
    assert.deepEqual(complaints, []);
    await page.close();
  };
  return { page, check };
}

const QUICK_START = `
  <script src="SERVER/pushi.js"></script>
  <script>
    var heard = [];
    var pushi = new Pushi("YOUR_APP_KEY");
    pushi.bind("message", function(event, data) {
      heard.push(Array.from(arguments));
    });
  </script>`;

test("the quick start hears what Python triggers", options, async () => {
  const { page, check } = await open(QUICK_START);
  await until(page, () => pushi.channels.global?.subscribed);
  const program = [
    "import pushi, sys",
    "id, key, secret, url = sys.argv[1:]",
    "api = pushi.API(app_id = id, app_key = key, app_secret = secret, base_url = url)",
    'api.trigger_event(channel = "global", data = "hello world", event = "message")',
  ];
  await run(process.env.PUSHI_PYTHON ?? "python3", ["-c", program.join("\n"), app.ident, app.key, app.secret, `${server.url}/`]);
  await until(page, () => heard.length === 1);
  const [event, data, channel, mid, timestamp, ...rest] = await page.evaluate(() => heard[0]);
  assert.deepEqual([event, data, channel, rest], ["message", "hello world", "global", []]);
  assert.match(mid, /^[0-9a-f]{32}$/);
  assert.ok(Math.abs(timestamp - Date.now() / 1000) < 60);
  await check();
});

test("the module is imported by a page of another origin", options, async () => {
  const { page, check } = await open(`<script type="module">
    import Pushi, { PushiError } from "SERVER/pushi.mjs";
    window.pushi = new Pushi("YOUR_APP_KEY");
    window.channel = pushi.subscribe("room");
    window.isError = new PushiError("x") instanceof Error;
  </script>`);
  await until(page, () => window.channel?.subscribed && window.isError);
  assert.equal(await page.evaluate(() => pushi.url), `${server.url.replace("http", "ws")}/${app.key}`);
  await check();
});

const WORKER = `
  const pushi = new Pushi("YOUR_APP_KEY");
  const channel = pushi.subscribe("room");
  channel.ready.then(() => channel.send("message", "from " + name, true));
  channel.bind("message", (event, data) => postMessage(data));`;

test("it runs in workers, classic and of modules, and finds its server there", options, async () => {
  const { page, check } = await open(
    `<script>
      var told = [];
      const listen = (worker) => (worker.onmessage = ({ data }) => told.push(data));
      listen(new Worker("/classic.js", { name: "classic" }));
      listen(new Worker("/module.mjs", { name: "module", type: "module" }));
    </script>`,
    {
      "/classic.js": `importScripts("SERVER/pushi.js");${WORKER}`,
      "/module.mjs": `import { Pushi } from "SERVER/pushi.mjs";${WORKER}`,
    },
  );
  await until(page, () => ["from classic", "from module"].every((text) => told.includes(text)));
  await check();
});

test("a page that goes offline pauses, and returns with what it missed", options, async () => {
  const { page, check } = await open(QUICK_START);
  await until(page, () => pushi.channels.global?.subscribed);
  await app.publish("global", "before", { event: "message" });
  await until(page, () => heard.length === 1);
  await browser.setOffline(true);
  await until(page, () => pushi.state === "disconnected");
  await app.publish("global", "meanwhile", { event: "message" });
  assert.deepEqual(await page.evaluate(() => [pushi.socket, heard.length]), [null, 1]);
  await browser.setOffline(false);
  await until(page, () => heard.length === 2);
  assert.deepEqual(await page.evaluate(() => heard.map(([, data]) => data)), ["before", "meanwhile"]);
  await check();
});

test("a page that was offline for long gets more than one answer holds", options, async () => {
  const { page, check } = await open(QUICK_START);
  await page.evaluate(() => {
    window.gaps = [];
    pushi.bind("gap", (event, channel, gap) => gaps.push([channel, gap.since, gap.serial]));
  });
  await until(page, () => pushi.channels.global?.subscribed);
  await app.publish("global", "0", { event: "message" });
  await until(page, () => heard.length === 1);
  await browser.setOffline(true);
  await until(page, () => pushi.state === "disconnected");
  for (let number = 1; number <= 25; number++) await app.publish("global", String(number), { event: "message" });
  await browser.setOffline(false);
  await until(page, () => heard.at(-1)?.[1] === "25");
  assert.deepEqual(await page.evaluate(() => gaps), []);
  assert.equal(await page.evaluate(() => heard.length), 26);
  await check();
});

test("a page that comes back from the background connects at once", options, async () => {
  const network = await Network.to(server.port);
  const { page, check } = await open(QUICK_START.replace("SERVER", `http://127.0.0.1:${network.port}`));
  try {
    await until(page, () => pushi.channels.global?.subscribed);
    // As in a page whose timers stand still: nothing but the page's return brings it back.
    await page.evaluate(() => {
      window.timer = setTimeout;
      window.setTimeout = () => 0;
    });
    network.break();
    await waitUntil(() => page.evaluate(() => pushi.state === "disconnected"), "disconnected");
    network.mend();
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await waitUntil(() => page.evaluate(() => pushi.channels.global.subscribed), "subscribed again");
    await page.evaluate(() => (window.setTimeout = window.timer));
    // Half open meanwhile: found out at once, not after the activity time of 30 seconds.
    const before = Date.now();
    network.freeze();
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await until(page, () => pushi.state === "disconnected");
    assert.ok(Date.now() - before < 15_000);
    network.thaw();
    await until(page, () => pushi.channels.global.subscribed);
    await check();
  } finally {
    await network.stop();
  }
});

test("memory is flat over 100,000 events", { timeout: 300_000 }, async () => {
  const { page, check } = await open(`<script src="SERVER/pushi.js"></script>`);
  // Half of them stored: what is kept of an event to know it again must not pile up, either.
  const used = await page.evaluate(async (key) => {
    const [reader, writer] = [new Pushi(key), new Pushi(key, { share: false })];
    const [to, from] = [reader.subscribe("room"), writer.subscribe("room")];
    await Promise.all([to.ready, from.ready]);
    let heard = 0;
    let wake = () => {};
    to.bind("message", () => ++heard % 1_000 === 0 && wake());
    const round = async () => {
      for (let thousand = 0; thousand < 10; thousand++) {
        const all = new Promise((done) => (wake = done));
        for (let number = 0; number < 1_000; number++) from.send("message", "x".repeat(100), false, number % 2 === 0);
        await all;
      }
      for (let times = 0; times < 3; times++) {
        gc();
        await new Promise((done) => setTimeout(done, 50));
      }
      return performance.memory.usedJSHeapSize;
    };
    const sizes = [];
    for (let rounds = 0; rounds < 10; rounds++) sizes.push(await round());
    return sizes;
  }, app.key);
  const grown = used.at(-1) - used[1];
  assert.ok(grown < 1_000_000, `${grown} bytes more after 80,000 events: ${used}`);
  await check();
});
