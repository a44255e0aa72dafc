// Firefox, which can be given another push service than Mozilla's, and such a push service.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import WebSocket, { WebSocketServer } from "ws";

const FIREFOX = process.env.PUSHI_FIREFOX ?? "/usr/bin/firefox-esr";

/** Mozilla's push service (autopush): the browser holds a WebSocket to it, and senders post to the endpoints (RFC 8030). */
export class Autopush {
  /** The requests of senders, in order: their headers. */
  received = [];
  #sockets = new Map();

  static async start() {
    const service = new Autopush();
    service.server = createServer((request, response) => service.#post(request, response));
    new WebSocketServer({ server: service.server }).on("connection", (socket) => {
      socket.on("message", (text) => service.#hear(socket, JSON.parse(text)));
    });
    service.server.listen(0, "127.0.0.1");
    await once(service.server, "listening");
    service.address = `127.0.0.1:${service.server.address().port}`;
    return service;
  }

  #hear(socket, { messageType, channelID, uaid }) {
    const reply = (members) => socket.send(JSON.stringify({ messageType, status: 200, ...members }));
    if (messageType === undefined) socket.send("{}");
    if (messageType === "hello") reply({ uaid: uaid || randomBytes(16).toString("hex"), use_webpush: true, broadcasts: {} });
    if (messageType === "register") {
      this.#sockets.set(channelID, socket);
      reply({ channelID, pushEndpoint: `http://${this.address}/send/${channelID}` });
    }
    if (messageType === "unregister") {
      this.#sockets.delete(channelID);
      reply({ channelID });
    }
  }

  async #post(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const channelID = request.url.split("/").at(-1);
    const socket = this.#sockets.get(channelID);
    if (!socket) return response.writeHead(410).end();
    this.received.push(request.headers);
    const data = Buffer.concat(chunks).toString("base64url");
    const headers = { encoding: request.headers["content-encoding"] };
    socket.send(JSON.stringify({ messageType: "notification", channelID, version: randomBytes(8).toString("hex"), data, headers }));
    response.writeHead(201).end();
  }

  async stop() {
    for (const socket of this.#sockets.values()) socket.terminate();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

/** A Firefox with an empty profile, driven by WebDriver BiDi. */
export class Firefox {
  #replies = new Map();
  #id = 0;

  static async start(autopush) {
    const firefox = new Firefox();
    firefox.profile = mkdtempSync(join(tmpdir(), "pushi-firefox-"));
    const preferences = {
      "dom.push.serverURL": `ws://${autopush.address}/`,
      "dom.push.testing.allowInsecureServerURL": true,
      "permissions.default.desktop-notification": 1,
      "alerts.useSystemBackend": false,
      "network.manage-offline-status": false,
      "network.proxy.type": 0,
      // Otherwise the remote control turns the connection to the push service off.
      "remote.prefs.recommended": false,
      "dom.push.connection.enabled": true,
      "datareporting.policy.dataSubmissionEnabled": false,
      "toolkit.telemetry.reportingpolicy.firstRun": false,
      "network.captive-portal-service.enabled": false,
      "network.connectivity-service.enabled": false,
      "browser.shell.checkDefaultBrowser": false,
      "app.update.disabledForTesting": true,
      "services.settings.server": "data:,#remote-settings-dummy/v1",
    };
    const lines = Object.entries(preferences).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`);
    writeFileSync(join(firefox.profile, "user.js"), lines.join(""));
    const words = ["--headless", "--new-instance", "--no-remote", "--profile", firefox.profile, "--remote-debugging-port", "0", "about:blank"];
    const environment = { PATH: process.env.PATH, HOME: firefox.profile };
    firefox.process = spawn(FIREFOX, words, { stdio: ["ignore", "ignore", "pipe"], env: environment });
    firefox.ended = once(firefox.process, "exit");
    const address = await new Promise((done, fail) => {
      let text = "";
      firefox.process.stderr.on("data", (chunk) => {
        text += chunk;
        const found = /WebDriver BiDi listening on (ws:\S+)/.exec(text);
        if (found) done(found[1]);
      });
      firefox.process.once("exit", () => fail(new Error(`Firefox ended: ${text}`)));
    });
    firefox.socket = new WebSocket(`${address}/session`);
    await once(firefox.socket, "open");
    firefox.socket.on("message", (text) => {
      const { id, ...reply } = JSON.parse(text);
      firefox.#replies.get(id)?.(reply);
      firefox.#replies.delete(id);
    });
    await firefox.#call("session.new", { capabilities: {} });
    const { contexts } = await firefox.#call("browsingContext.getTree", {});
    firefox.context = contexts[0].context;
    return firefox;
  }

  async #call(method, params) {
    const id = ++this.#id;
    const reply = await new Promise((done) => {
      this.#replies.set(id, done);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
    if (reply.type === "error") throw new Error(`${method}: ${reply.error}: ${reply.message}`);
    return reply.result;
  }

  goto(url) {
    return this.#call("browsingContext.navigate", { context: this.context, url, wait: "complete" });
  }

  /** Runs a function in the page, as of a click, and returns its result, which must have a JSON form. */
  async evaluate(action, ...values) {
    const expression = `(async () => JSON.stringify((await (${action})(...${JSON.stringify(values)})) ?? null))()`;
    const params = { expression, target: { context: this.context }, awaitPromise: true, userActivation: true };
    const { result, exceptionDetails } = await this.#call("script.evaluate", params);
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return JSON.parse(result.value);
  }

  async stop() {
    this.process.kill();
    await this.ended;
    rmSync(this.profile, { recursive: true, force: true });
  }
}
