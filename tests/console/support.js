// The real program, the fixtures hub and a real browser, for tests and pictures.

import { spawn, execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const BUILT = path.resolve(process.env.MODELFERRY_BUILT ?? path.join(ROOT, "target/debug"));
const CHROMIUM = process.env.MODELFERRY_CHROMIUM ?? "/usr/bin/chromium";
/** No step takes so long, however loaded the machine is. */
export const PATIENCE = Number(process.env.MODELFERRY_PATIENCE ?? 60_000);

/** A port that was free a moment ago. */
export async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

function heard(child, pattern, what) {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`${what} said no ${pattern}: ${text}`)), PATIENCE);
    const listen = (chunk) => {
      text += chunk;
      if (!pattern.test(text)) return;
      clearTimeout(timer);
      resolve(text);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.on("exit", (status) => reject(new Error(`${what} ended with ${status}: ${text}`)));
  });
}

/** The fixtures hub with the console's scene. `rate` slows each body down. */
export async function startHub({ rate } = {}) {
  const words = ["--scene", "console", ...(rate ? ["--rate", rate] : [])];
  const child = spawn(path.join(BUILT, "modelferry-fixtures"), words);
  const said = await heard(child, /# ready/, "the hub");
  const variable = (name) => new RegExp(`export ${name}=(\\S+)`).exec(said)[1];
  const files = /# modelferry import (http\S+)\/releases/.exec(said)[1];
  return {
    files,
    environment: {
      HF_ENDPOINT: variable("HF_ENDPOINT"),
      CIVITAI_ENDPOINT: variable("CIVITAI_ENDPOINT"),
      MODELFERRY_ALLOW_NETS: "127.0.0.0/8",
    },
    stop: () => ended(child),
  };
}

async function ended(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, "exit");
  child.kill(signal);
  await over;
}

/** A home of its own, and the program in it. */
export class Server {
  constructor(hub, { workers = 2 } = {}) {
    this.folder = mkdtempSync(path.join(tmpdir(), "modelferry-console-"));
    this.home = path.join(this.folder, "home");
    this.workers = workers;
    this.environment = { PATH: "/usr/bin:/bin", HOME: this.folder, MODELFERRY_HOME: this.home, ...hub.environment };
  }

  static async start(hub, options) {
    const server = new Server(hub, options);
    server.port = await freePort();
    await server.up();
    return server;
  }

  /** Starts the program; the first time it makes a key and says the link that signs in. */
  async up() {
    this.child = spawn(
      path.join(BUILT, "modelferry"),
      ["serve", "--listen", `127.0.0.1:${this.port}`, "--workers", String(this.workers)],
      { env: this.environment },
    );
    const said = await heard(this.child, /\/v1 answers/, "the program");
    const link = /http:\S+#key=(\S+):(\S+)/.exec(said);
    if (link) {
      this.key = { id: link[1], secret: link[2] };
      this.link = link[0];
    }
    this.url = `http://127.0.0.1:${this.port}`;
  }

  /** The link that signs in, through another port. */
  linkBy(port) {
    return this.link.replace(/:\d+\/#/, `:${port}/#`);
  }

  kill() {
    return ended(this.child, "SIGKILL");
  }

  async stop() {
    await ended(this.child);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The command line in the same home. */
  run(...words) {
    return execFileSync(path.join(BUILT, "modelferry"), words, { env: this.environment, encoding: "utf8" });
  }

  async api(method, route, body) {
    const answer = await fetch(`${this.url}${route}`, {
      method,
      headers: { authorization: `Bearer ${this.key.id}:${this.key.secret}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    return answer.status === 204 ? null : answer.json();
  }

  /** Asks for an import, and waits for its end unless told otherwise. */
  async import(body, { waits = true } = {}) {
    const { upload } = await this.api("POST", "/v1/uploads", body);
    return waits ? this.ended(upload.id) : upload;
  }

  async ended(id) {
    const until = Date.now() + PATIENCE;
    while (Date.now() < until) {
      const { upload } = await this.api("GET", `/v1/uploads/${id}`);
      if (["imported", "complete", "failed"].includes(upload.status)) return upload;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${id} does not end`);
  }

  /** Puts many records into the database, as many imports would have left them. */
  seed(...words) {
    execFileSync(
      "python3",
      [path.join(ROOT, "tests/console/seed.py"), path.join(this.home, "modelferry.db"), ...words.map(String)],
      { stdio: "inherit" },
    );
  }
}

/** Hands bytes on to a server, and can cut every line or refuse new ones. */
export class Proxy {
  static async start(port) {
    const proxy = new Proxy();
    proxy.open = new Set();
    proxy.refuses = false;
    proxy.server = net
      .createServer((client) => {
        if (proxy.refuses) return client.destroy();
        const far = net.connect(port, "127.0.0.1");
        for (const socket of [client, far]) {
          proxy.open.add(socket);
          socket.on("error", () => {});
          socket.on("close", () => {
            proxy.open.delete(socket);
            client.destroy();
            far.destroy();
          });
        }
        client.pipe(far).pipe(client);
        return undefined;
      })
      .listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.port = proxy.server.address().port;
    return proxy;
  }

  cut() {
    for (const socket of this.open) socket.destroy();
  }

  stop() {
    this.cut();
    this.server.close();
  }
}

export function launch() {
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
}

/** A page that remembers what must never happen: errors, violated policies, markup that ran. */
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 860 },
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.troubles = [];
  page.on("pageerror", (error) => page.troubles.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) page.troubles.push(message.text());
  });
  page.on("dialog", (dialog) => {
    page.troubles.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
      globalThis.violations.push(event.violatedDirective),
    );
  });
  return page;
}

/** Signs in by the link that the program printed. */
export async function signIn(page, server, route = "#/import") {
  await page.goto(server.link);
  await page.waitForSelector("nav.nav");
  if (route !== "#/import") await page.goto(`${server.url}/${route}`);
}

/** Fails when anything on the page went wrong. */
export async function assertClean(page, assert) {
  assert.deepEqual(page.troubles, []);
  assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
}
