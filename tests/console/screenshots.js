// Pictures of each view, for docs/console: real imports beside seeded records.

import { mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { launch, openPage, ROOT, Server, signIn, startHub } from "./support.js";

const FOLDER = path.join(ROOT, "docs/console");
const MOST = 150 * 1024;

const hub = await startHub({ rate: "700kB" });
const server = await Server.start(hub, { workers: 4 });
const browser = await launch();
mkdirSync(FOLDER, { recursive: true });

async function shoot(page, name) {
  const file = path.join(FOLDER, `${name}.png`);
  await page.evaluate(() => document.activeElement?.blur());
  await page.screenshot({ path: file, animations: "disabled" });
  const { size } = statSync(file);
  if (size > MOST) throw new Error(`${name}.png has ${size} bytes`);
  process.stdout.write(`${name}.png ${size} bytes\n`);
}

const size = (width, height) => ({ viewport: { width, height } });
const open = async (route, sign, options) => {
  const page = await openPage(browser, { ...size(1280, 800), ...options });
  await signIn(page, server, route);
  await page.waitForSelector(sign);
  return page;
};

try {
  const fresh = await openPage(browser, size(1280, 800));
  await fresh.goto(`${server.url}/`);
  await fresh.waitForSelector(".sign-card");
  await shoot(fresh, "sign-in");
  await fresh.context().close();

  server.seed(260, 30);
  const card = await server.import({ civitaiModelUrl: "civitai:8001@9001" });
  const failed = await server.import({ huggingFaceModelName: "harbour/damaged" });
  const lantern = await server.import({ huggingFaceModelName: "harbour/lantern-embed" });

  const { sync } = await server.api("POST", "/v1/syncs", {
    name: "harbour-models",
    source: "harbour/tugboat-7b",
    cron: "0 6 * * MON-FRI",
  });
  await server.api("POST", "/v1/syncs", { name: "lighthouse-versions", source: "civitai:8001", cron: "30 2 * * *" });
  server.seed("runs");

  const plan = await open("#/import?source=harbour/tugboat-7b", ".known[data-tone=good]");
  await plan.press("#source", "Enter");
  await plan.waitForSelector(".start-bar");
  await plan.getByLabel("Import README.md").uncheck();
  await shoot(plan, "import");
  await plan.context().close();

  const running = [];
  for (const body of [
    { url: `${hub.files}/long.bin`, kind: "asset" },
    { url: `${hub.files}/releases/compass.safetensors`, kind: "model" },
    { huggingFaceModelName: "harbour/tugboat-7b" },
  ]) {
    running.push(await server.import(body, { waits: false }));
  }
  for (const colorScheme of ["light", "dark"]) {
    const uploads = await open("#/uploads", ".upload-row", { colorScheme });
    await uploads.waitForFunction(() =>
      /\/s/.test(document.querySelector(".upload-row .crossing-text")?.textContent ?? ""),
    );
    await shoot(uploads, `uploads-${colorScheme}`);
    await uploads.context().close();
  }
  const moving = await open(`#/uploads/${running[0].id}`, "table.files");
  await moving.waitForFunction(() => /\/s/.test(document.querySelector("main .crossing-text")?.textContent ?? ""));
  await shoot(moving, "upload");
  await moving.context().close();

  for (const [name, route, sign, options] of [
    ["failed", `#/uploads/${failed.id}`, ".error-box"],
    ["models", "#/models", ".model-row"],
    ["model", `#/models/${card.entityId}`, ".words"],
    ["numbers", "#/numbers?range=30d", ".figure-card svg", size(1280, 1000)],
    ["numbers-dark", "#/numbers?range=30d", ".figure-card svg", { ...size(1280, 1000), colorScheme: "dark" }],
    ["syncs", "#/syncs", ".sync-row"],
    ["sync", `#/syncs/${sync.id}`, ".run", size(1280, 1000)],
    ["phone", "#/uploads", ".upload-row", { ...size(390, 800), deviceScaleFactor: 1.5 }],
  ]) {
    const page = await open(route, sign, options);
    await page.waitForTimeout(300);
    await shoot(page, name);
    await page.context().close();
  }
  if (lantern.status !== "imported") throw new Error("an import failed that should not");
} finally {
  await browser.close();
  await server.stop();
  await hub.stop();
}
