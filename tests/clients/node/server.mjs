// The real binary as a process, for the tests that run in Node.
import { spawn } from "node:child_process";
import { createHmac, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
export const BINARY = resolve(process.env.PUSHI_BIN ?? join(ROOT, "target/release/pushi"));
export const ADMIN_TOKEN = "admin-token-of-the-tests";

/** Polls `condition` until it is true and returns its value; throws after `seconds`. */
export async function waitUntil(condition, what, seconds = 10) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await pause(20);
  }
}

/** An unused port below the range of ephemeral ports. */
async function freePort() {
  for (let tries = 0; tries < 200; tries++) {
    const port = randomInt(20_000, 32_000);
    const probe = createServer();
    const free = await new Promise((done) => {
      probe.once("error", () => done(false));
      probe.listen(port, "127.0.0.1", () => done(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
  throw new Error("no free port between 20000 and 32000");
}

/** A running server. */
export class Server {
  /** Starts a server with these additional environment variables, and waits until it is ready. */
  static async start(settings = {}) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "pushi-node-"));
    server.port = await freePort();
    do server.wsPort = await freePort();
    while (server.wsPort === server.port);
    server.url = `http://127.0.0.1:${server.port}`;
    server.wsUrl = `ws://127.0.0.1:${server.wsPort}`;
    server.settings = {
      PATH: process.env.PATH,
      HOME: server.folder,
      APP_HOST: "127.0.0.1",
      APP_PORT: String(server.port),
      SERVER_HOST: "127.0.0.1",
      SERVER_PORT: String(server.wsPort),
      DATABASE_URL: `sqlite://${server.folder}/pushi.db`,
      PUSHI_ADMIN_TOKEN: ADMIN_TOKEN,
      PUSHI_DRAIN_SECONDS: "0",
      ...settings,
    };
    return server.spawn();
  }

  /** Starts the process, also once more on the same ports and data, and waits until it is ready. */
  async spawn() {
    const log = openSync(join(this.folder, "stderr.log"), "a");
    const stdio = ["ignore", log, log];
    this.process = spawn(BINARY, ["serve"], { cwd: this.folder, stdio, env: this.settings });
    this.ended = once(this.process, "exit");
    await waitUntil(() => this.isReady(), "ready", 20);
    return this;
  }

  /** Its complete output. */
  get log() {
    return readFileSync(join(this.folder, "stderr.log"), "utf8");
  }

  async isReady() {
    if (this.process.exitCode !== null) throw new Error(`the server ended with ${this.process.exitCode}:\n${this.log}`);
    return fetch(`${this.url}/health/ready`).then(
      (answer) => answer.status === 200,
      () => false,
    );
  }

  /** A new app, made with the administrator's token, and a session of it. */
  async createApp(settings = {}) {
    const admin = { Authorization: `Bearer ${ADMIN_TOKEN}`, "Content-Type": "application/json" };
    const made = await fetch(`${this.url}/apps`, { method: "POST", headers: admin, body: JSON.stringify({ name: "node" }) });
    if (made.status !== 200) throw new Error(await made.text());
    const app = await made.json();
    if (Object.keys(settings).length > 0) {
      const body = JSON.stringify(settings);
      const put = await fetch(`${this.url}/apps/${app.ident}`, { method: "PUT", headers: admin, body });
      if (put.status !== 200) throw new Error(await put.text());
    }
    const query = new URLSearchParams({ app_id: app.ident, app_key: app.key, app_secret: app.secret });
    const login = await fetch(`${this.url}/login?${query}`);
    app.token = (await login.json()).token;
    app.sign = (socketId, channel) =>
      `${app.key}:${createHmac("sha256", app.secret).update(`${socketId}:${channel}`).digest("hex")}`;
    app.publish = async (channel, data, members = {}) => {
      const answer = await fetch(`${this.url}/events`, {
        method: "POST",
        headers: { Authorization: `Bearer ${app.token}`, "Content-Type": "application/json" },
        body: JSON.stringify({ channel, data, ...members }),
      });
      if (answer.status !== 200) throw new Error(await answer.text());
    };
    return app;
  }

  /** Kills the process, like a crash. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  /** Stops the process with SIGTERM; throws unless the exit code is 0. Its data is kept. */
  async end() {
    this.process.kill("SIGTERM");
    const timer = pause(20_000, "late", { ref: false });
    const end = await Promise.race([this.ended, timer]);
    if (end === "late") {
      this.process.kill("SIGKILL");
      throw new Error(`still running 20 s after SIGTERM:\n${this.log}`);
    }
    const [code] = end;
    if (code !== 0 || this.log.includes("panicked")) throw new Error(`exit code ${code}:\n${this.log}`);
  }

  /** Ends it, and removes its data. */
  async stop() {
    try {
      await this.end();
    } finally {
      rmSync(this.folder, { recursive: true });
    }
  }
}
