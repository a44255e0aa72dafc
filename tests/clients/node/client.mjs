// A socket of npm's `ws` whose frames are read strictly in order.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import WebSocket from "ws";

export class Client {
  #frames = [];
  #waiting = [];

  constructor(app, url, options = {}) {
    this.app = app;
    this.raw = new WebSocket(url, options);
    this.raw.on("message", (data, binary) => {
      assert.equal(binary, false);
      this.#push(JSON.parse(data.toString()));
    });
    this.raw.on("close", (code) => this.#push({ closed: code }));
    this.raw.on("error", (error) => this.#push({ failed: error }));
  }

  #push(frame) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(frame);
    else this.#frames.push(frame);
  }

  /** A socket that has received the greeting. */
  static async connect(server, app) {
    const client = new Client(app, `${server.wsUrl}/${app.key}`);
    const greeting = await client.expect("pusher:connection_established");
    client.id = JSON.parse(greeting.data).socket_id;
    return client;
  }

  /** The next frame, or `{closed: code}` once the server has closed. */
  async frame(seconds = 10) {
    if (this.#frames.length > 0) return this.#frames.shift();
    const late = pause(seconds * 1000, undefined, { ref: false }).then(() => {
      throw new Error(`no frame within ${seconds} s`);
    });
    return Promise.race([new Promise((done) => this.#waiting.push(done)), late]);
  }

  /** The next frame, which must be this one. */
  async expect(event, channel) {
    const frame = await this.frame();
    assert.equal(frame.event, event, JSON.stringify(frame));
    if (channel !== undefined) assert.equal(frame.channel, channel);
    return frame;
  }

  /** The next frame, which must be this error; returns its data. */
  async error(code) {
    const frame = await this.expect("pusher:error");
    assert.equal(typeof frame.channel, "string");
    assert.equal(frame.data.code, code, JSON.stringify(frame));
    return frame.data;
  }

  send(event, data, members = {}) {
    this.raw.send(JSON.stringify({ event, data, ...members }));
  }

  publish(channel, data, members = {}) {
    this.send("message", data, { channel, ...members });
  }

  /** Subscribes, signed if the channel requires it; returns the data of the response. */
  async subscribe(channel, members = {}) {
    const auth = /^(private|presence|personal)-/.test(channel) ? { auth: this.app.sign(this.id, channel) } : {};
    this.send("pusher:subscribe", { channel, ...auth, ...members });
    const answer = await this.expect("pusher_internal:subscription_succeeded", channel);
    return JSON.parse(answer.data);
  }

  /** Checks that no frame is pending: the next one is the response to a ping. */
  async quiet() {
    this.send("pusher:ping", {});
    await this.expect("pusher:pong");
  }
}
