// Play an asset in a headless browser and print what happened as JSON.
//
// usage: node drive.mjs CHROMIUM FOLDER caption|follow|prove|search|tell|unlock PLAYER=MANIFEST…
//
// Serves FOLDER, the players from node_modules and the proof page on the loopback, opens one page
// a player, four at the same time, and prints {player: outcome}; `missing` names what was asked for
// and not there. With SHOTS=FOLDER in the environment what each page shows in the end is a picture
// there, called as its player.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { pipeline } from "node:stream";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PLAYERS = fileURLToPath(new URL("../../../node_modules/", import.meta.url));
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".m3u8": "application/vnd.apple.mpegurl",
  ".mpd": "application/dash+xml",
  ".m4s": "video/iso.segment",
  ".mp4": "video/mp4",
  ".vtt": "text/vtt",
};
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

// As many pages as a small machine can play.
const AT_ONCE = 4;

const [executablePath, folder, action, ...pairs] = process.argv.slice(2);
const missing = [];
const server = createServer((request, response) => {
  send(request, response).catch((error) => {
    missing.push(`${request.url}: ${error.code ?? error}`);
    response.writeHead(404).end();
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({ executablePath, headless: true, args: ARGUMENTS });
try {
  const outcomes = [];
  for (let n = 0; n < pairs.length; n += AT_ONCE) {
    const playing = pairs.slice(n, n + AT_ONCE).map((pair) => play(...pair.split("=")));
    outcomes.push(...(await Promise.all(playing)));
  }
  console.log(JSON.stringify({ ...Object.fromEntries(outcomes), missing }, null, 1));
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}

async function play(player, manifest) {
  const page = await browser.newPage();
  const failures = [];
  page.on("pageerror", (error) => failures.push(`${error}`));
  await page.goto(`${origin}/proof/page.html`);
  const outcome = await page.evaluate(
    ([act, name, url]) => window[act](name, url),
    [action, player, `${origin}/asset/${manifest}`],
  );
  outcome.errors.push(...failures);
  if (process.env.SHOTS) {
    // Not at the very end: what is said there has been said.
    await page.evaluate(() => {
      const video = document.querySelector("video");
      if (video.duration) {
        video.currentTime = 0.8 * video.duration;
      }
    });
    await page.waitForTimeout(2000);
    await page.locator("video").screenshot({ path: join(process.env.SHOTS, `${player}.png`) });
  }
  await page.close();
  return [player, outcome];
}

async function send(request, response) {
  const path = locate(decodeURIComponent(new URL(request.url, origin).pathname));
  const { size } = await stat(path);
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
  response.writeHead(range ? 206 : 200, {
    "Content-Type": TYPES[extname(path)] ?? "application/octet-stream",
    "Content-Length": end - start + 1,
    "Accept-Ranges": "bytes",
    ...(range && { "Content-Range": `bytes ${start}-${end}/${size}` }),
  });
  // A player that drops a request halfway is no error of ours.
  pipeline(createReadStream(path, { start, end }), response, () => {});
}

function locate(pathname) {
  const [, root, ...rest] = normalize(pathname).split("/");
  const roots = { asset: folder, players: PLAYERS, proof: HERE };
  return join(roots[root] ?? "/nowhere", ...rest);
}
