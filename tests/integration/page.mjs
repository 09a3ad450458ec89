// Use the player page as a viewer does, in a headless browser, and print what was seen as JSON.
//
// usage: node page.mjs CHROMIUM URL PLAYER

import { chromium } from "playwright-core";

const [executablePath, url, player] = process.argv.slice(2);
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"];
const PATIENCE_MS = 30_000;
const browser = await chromium.launch({ executablePath, headless: true, args: ARGUMENTS });
const page = await browser.newPage({ viewport: { width: 700, height: 700 } });
const errors = [];
page.on("pageerror", (error) => errors.push(`${error}`));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
page.on("response", (answer) => answer.status() >= 400 && errors.push(`${answer.status()} ${answer.url()}`));
try {
  const seen = await watch();
  console.log(JSON.stringify({ ...seen, errors }));
} finally {
  await browser.close();
}

async function watch() {
  await page.goto(`${url}#${encodeURIComponent(player)}`);
  await until("video.readyState >= 3");
  await page.evaluate(() => document.querySelector("video").play());
  await until("video.currentTime > 0.2");
  const duration = await value("video.duration");
  const pictures = await everyPicture();
  // As the browser's own menu does it.
  await page.evaluate(() => (document.querySelector("video").textTracks[0].mode = "showing"));
  await page.evaluate((middle) => (document.querySelector("video").currentTime = middle), duration / 2);
  await until(`video.currentTime > ${duration / 2 + 0.2}`);
  await until("video.textTracks[0].cues?.length");
  // At the end of time: under load dash.js sometimes does not close the stream behind it.
  await until("video.ended || video.currentTime >= video.duration");
  await page.evaluate(() => (document.querySelector("video").currentTime = 0));
  await page.evaluate(() => document.querySelector("video").play());
  await until("video.currentTime > 0.2 && video.currentTime < 2");
  return {
    duration,
    pictures,
    players: await page.locator("#player option").allTextContents(),
    addresses: await page.locator("#addresses code").allTextContents(),
    texts: await value("[...video.textTracks].map(({ label }) => label)"),
    cues: await value("[...video.textTracks[0].cues].map(({ text }) => text)"),
    alert: await page.locator("#alert").textContent(),
    soundBytes: await value("video.webkitAudioDecodedByteCount"),
  };
}

async function everyPicture() {
  const sizes = [];
  for (const name of await page.locator("#video option").allTextContents()) {
    await page.selectOption("#video", { label: name });
    const [width, height] = name.match(/\d+(?=[×)])/g);
    await until(`video.videoWidth === ${width} && video.videoHeight === ${height} && !video.seeking`);
    const now = await value("video.currentTime");
    await until(`video.currentTime > ${now} || video.ended`);
    sizes.push(`${width}x${height}`);
  }
  return sizes;
}

// Not page.waitForFunction: that one needs eval, which the page's policy forbids.
async function until(condition) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await value(condition))) {
    if (Date.now() > deadline) {
      const state = await value("`${video.currentTime} s, ready ${video.readyState}, ${video.error?.message}`");
      const alert = await page.locator("#alert").textContent();
      throw new Error(`never: ${condition}; ${state}; ${alert}; ${errors}`);
    }
  }
}

function value(expression) {
  return page.evaluate(`(() => { const video = document.querySelector("video"); return ${expression}; })()`);
}
