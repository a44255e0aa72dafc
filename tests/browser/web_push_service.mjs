// A push service as the server reaches one (RFC 8030), and the browser's side of it: Chromium's own needs an account at Google.
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";

/** The text of a message (RFC 8291 over RFC 8188, one record). */
function decrypt(body, browser, secret) {
  const salt = body.subarray(0, 16);
  const length = body[20];
  const sender = body.subarray(21, 21 + length);
  const sealed = body.subarray(21 + length);
  const info = Buffer.concat([Buffer.from("WebPush: info\0"), browser.getPublicKey(), sender]);
  const input = hkdfSync("sha256", browser.computeSecret(sender), secret, info, 32);
  const derive = (name, size) => Buffer.from(hkdfSync("sha256", Buffer.from(input), salt, `Content-Encoding: ${name}\0`, size));
  const cipher = createDecipheriv("aes-128-gcm", derive("aes128gcm", 16), derive("nonce", 12));
  cipher.setAuthTag(sealed.subarray(-16));
  const padded = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  return padded.subarray(0, padded.lastIndexOf(2)).toString();
}

export class PushService {
  /** The received messages, in order: `{ headers, text }`. */
  received = [];
  #waiting = [];
  #browser = createECDH("prime256v1");
  #secret = randomBytes(16);

  static async start() {
    const service = new PushService();
    service.#browser.generateKeys();
    service.server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      service.received.push({ headers: request.headers, text: decrypt(Buffer.concat(chunks), service.#browser, service.#secret) });
      for (const wake of service.#waiting.splice(0)) wake();
      response.writeHead(201).end();
    });
    service.server.listen(0, "127.0.0.1");
    await once(service.server, "listening");
    service.endpoint = `http://127.0.0.1:${service.server.address().port}/send/${randomBytes(8).toString("hex")}`;
    return service;
  }

  /** Resolves with the message of this number. */
  async message(number) {
    while (this.received.length < number) await new Promise((wake) => this.#waiting.push(wake));
    return this.received[number - 1];
  }

  /** The subscription as a page sees it. */
  get subscription() {
    const keys = { p256dh: this.#browser.getPublicKey("base64url"), auth: this.#secret.toString("base64url") };
    return { endpoint: this.endpoint, expirationTime: null, keys };
  }

  /**
   * Replaces the push manager of all pages of a browser: it subscribes here, keeps the subscription over visits, and refuses a
   * second key as browsers do.
   */
  async replaceIn(browser) {
    await browser.addInitScript((subscription) => {
      const make = (applicationServerKey) => ({
        ...subscription,
        options: { applicationServerKey, userVisibleOnly: true },
        toJSON: () => subscription,
        unsubscribe: async () => {
          localStorage.removeItem("push");
          return true;
        },
      });
      PushManager.prototype.getSubscription = async () => {
        const key = localStorage.getItem("push");
        return key && make(key);
      };
      PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
        const key = Array.from(applicationServerKey).join();
        if (!userVisibleOnly || applicationServerKey.length !== 65) throw new DOMException("bad options", "InvalidAccessError");
        if ((localStorage.getItem("push") ?? key) !== key) throw new DOMException("another key", "InvalidStateError");
        localStorage.setItem("push", key);
        return make(key);
      };
    }, this.subscription);
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

/**
 * Delivers messages to the service worker of a page, as the browser does for those of its push service. `deliver(text)` resolves
 * once the worker has shown a notification. Chromium forgets a notification whose list is read before.
 */
export async function delivery(browser, page) {
  const { origin } = new URL(page.url());
  const isOurs = (one) => new URL(one.url()).origin === origin;
  const worker = browser.serviceWorkers().find(isOurs) ?? (await browser.waitForEvent("serviceworker", isOurs));
  await worker.evaluate(() => {
    const show = ServiceWorkerRegistration.prototype.showNotification;
    self.registration.showNotification = (...values) => show.apply(self.registration, values).then(() => self.report());
  });
  const session = await browser.newCDPSession(page);
  const registered = new Promise((done) => {
    session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
      const ours = registrations.find(({ isDeleted, scopeURL }) => !isDeleted && scopeURL === `${origin}/`);
      if (ours) done(ours.registrationId);
    });
  });
  await session.send("ServiceWorker.enable");
  const registrationId = await registered;
  const deliver = async (data) => {
    await worker.evaluate(() => {
      self.shown = new Promise((done) => (self.report = done));
    });
    await session.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data });
    await worker.evaluate(() => self.shown);
  };
  return { worker, deliver };
}
