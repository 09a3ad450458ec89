// What a viewer does with an asset, done by a script: start, choose, seek, watch to the end.

import { players } from "./players.js";

const PATIENCE_SECONDS = 60; // a busy machine is slow, not wrong
const ADVANCE_SECONDS = 0.4; // ten frames of a 25 fps clip: more than a decoder's first picture

export async function prove(name, url) {
  const video = document.querySelector("video");
  const errors = [];
  const warnings = [];
  const seen = [];
  const report = ({ fatal, detail }) => (fatal ? errors : warnings).push(detail);
  video.addEventListener("error", () => errors.push(`media: ${video.error?.message}`));
  const outcome = { errors, warnings, selected: seen };
  try {
    const player = await players[name](video, url, report);
    outcome.renditions = player.renditions;
    await video.play();
    outcome.started_seconds = await advance(video, "the start");
    outcome.duration_seconds = video.duration;
    for (const rendition of player.renditions) {
      seen.push(await show(video, player, rendition));
    }
    outcome.middle_seconds = await goTo(video, video.duration / 2);
    outcome.ended_seconds = await watch(video);
    outcome.frames = video.getVideoPlaybackQuality().totalVideoFrames;
  } catch (error) {
    errors.push(`${error.message ?? error}`);
  }
  return outcome;
}

// Watch an asset once with each of its subtitles, and then with the first ones again.
export async function caption(name, url) {
  const video = document.querySelector("video");
  const errors = [];
  const warnings = [];
  const report = ({ fatal, detail }) => (fatal ? errors : warnings).push(detail);
  const outcome = { errors, warnings, read: [] };
  try {
    const player = await players[name](video, url, report);
    await video.play();
    await advance(video, "the start");
    outcome.texts = player.texts();
    for (const text of [...outcome.texts, outcome.texts[0]]) {
      outcome.read.push([text.label, await cuesOf(video, player, text)]);
    }
  } catch (error) {
    errors.push(`${error.message ?? error}`);
  }
  return outcome;
}

// Watch an asset from its beginning while it grows: when did it start, did time stand still?
export async function follow(name, url) {
  const video = document.querySelector("video");
  const errors = [];
  const warnings = [];
  const report = ({ fatal, detail }) => (fatal ? errors : warnings).push(detail);
  video.addEventListener("error", () => errors.push(`media: ${video.error?.message}`));
  const outcome = { errors, warnings };
  try {
    const player = await players[name](video, url, report, { fromStart: true });
    await video.play();
    await until(() => video.currentTime > 0, "the start", () => describe(video));
    outcome.first_seconds = video.currentTime;
    outcome.started_at = Date.now() / 1000;
    outcome.waits = [];
    video.addEventListener("waiting", () => {
      if (!video.seeking) outcome.waits.push([video.currentTime, Date.now() / 1000]);
    });
    // Up and down all the time: what is appended must fit whatever was there before.
    let turn = 0;
    const restless = setInterval(() => player.prefer?.(++turn % player.renditions.length), 700);
    const patience = 120;
    await until(() => isOver(video), "the end", () => describe(video), patience).finally(() =>
      clearInterval(restless),
    );
    Object.assign(outcome, { ended_seconds: video.currentTime, duration_seconds: video.duration });
  } catch (error) {
    errors.push(`${error.message ?? error}`);
  }
  return outcome;
}

const UNLOCK_SECONDS = 40;

// Play an encrypted asset to its end in shaka-player, or in the player whose name the case begins
// with, or to its first error. The address ends with #ID:KEY,ID:KEY, or # alone when no key is told.
export async function unlock(name, url) {
  const video = document.querySelector("video");
  const errors = [];
  const warnings = [];
  const report = ({ fatal, detail }) => (fatal ? errors : warnings).push(detail);
  const [address, told] = url.split("#");
  const pairs = told ? told.split(",").map((pair) => pair.split(":")) : [];
  const clearKeys = Object.fromEntries(pairs);
  const outcome = { errors, warnings };
  try {
    const kind = Object.keys(players).find((one) => name.startsWith(one)) ?? "shaka-player";
    // A player that cannot read what it fetched may wait for ever, and say nothing.
    const tooLate = timeout(UNLOCK_SECONDS, () => `nothing plays: ${describe(video)}`);
    const player = await Promise.race([
      players[kind](video, address, report, { clearKeys }),
      tooLate,
    ]);
    outcome.renditions = player.renditions;
    await Promise.race([video.play(), tooLate]);
    await until(() => video.ended || errors.length, "the end", () => describe(video));
    outcome.ended_seconds = video.currentTime;
    outcome.frames = video.getVideoPlaybackQuality().totalVideoFrames;
  } catch (error) {
    errors.push(`${error.code ?? error.message ?? error}`);
  }
  return outcome;
}

// What a viewer of shaka-player is offered: sounds and subtitles, and what they are for.
export async function tell(name, url) {
  const video = document.querySelector("video");
  const errors = [];
  const warnings = [];
  const report = ({ fatal, detail }) => (fatal ? errors : warnings).push(detail);
  const outcome = { errors, warnings };
  try {
    const player = await players[name](video, url, report);
    await video.play();
    outcome.advanced_seconds = await advance(video, "the start");
    Object.assign(outcome, player.offered());
  } catch (error) {
    errors.push(`${error.message ?? error}`);
  }
  return outcome;
}

// Look for a moment by its thumbnails, then at speed: what is shown of it, what is fetched?
export async function search(name, url) {
  const video = document.querySelector("video");
  const errors = [];
  const warnings = [];
  const report = ({ fatal, detail }) => (fatal ? errors : warnings).push(detail);
  const outcome = { errors, warnings, thumbnails: [] };
  try {
    // So little that there is something left to be fetched at speed.
    const player = await players[name](video, url, report, { bufferSeconds: 1 });
    for (const seconds of player.thumbnail ? [0.5, 1.5, 2.5] : []) {
      outcome.thumbnails.push(await look(await player.thumbnail(seconds)));
    }
    await video.play();
    player.hurry?.(2);
    await until(() => isOver(video), "the end", () => describe(video));
    const fetched = performance.getEntriesByType("resource").map((entry) => entry.name);
    outcome.fetched = fetched.map((address) => new URL(address).pathname);
  } catch (error) {
    errors.push(`${error.message ?? error}`);
  }
  return outcome;
}

// The colour in the middle of a thumbnail.
async function look({ url, x, y, width, height }) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.drawImage(image, -x - width / 2, -y - height / 2);
  const colour = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  return { path: new URL(url).pathname, x, y, width, height, colour };
}

// Choose one rendition, and see it on the screen while time goes on.
async function show(video, player, { id, width, height }) {
  await goTo(video, 0);
  player.select(id);
  const shown = () =>
    player.active() === id && video.videoWidth === width && video.videoHeight === height;
  await until(shown, `rendition ${id} (${width}x${height})`, () => describe(video));
  const advanced = await advance(video, `rendition ${id}`);
  return { id, width: video.videoWidth, height: video.videoHeight, advanced_seconds: advanced };
}

// All cues that the subtitles in force have brought by the end of the film.
async function cuesOf(video, player, { id, label }) {
  player.read(id);
  const shown = () => [...video.textTracks].filter(({ mode }) => mode === "showing");
  const cues = () => shown().flatMap(({ cues }) => [...(cues ?? [])]);
  // shaka-player may show a text of HLS that was chosen when all was loaded from the next seek on.
  let views = 0;
  do await watch(video);
  while (!cues().length && ++views < 3);
  await until(() => cues().length, `a cue of ${label}`, () => describe(video));
  return cues().map(({ startTime, endTime, text }) => ({ startTime, endTime, text }));
}

async function goTo(video, seconds) {
  video.currentTime = seconds;
  await until(() => !video.seeking, `a seek to ${seconds}`, () => describe(video));
  if (video.paused) {
    await video.play();
  }
  await advance(video, `going on at ${seconds}`);
  return video.currentTime;
}

// The whole clip from its first picture to its last, in real time.
async function watch(video) {
  await goTo(video, 0);
  const patience = video.duration + PATIENCE_SECONDS;
  await until(() => isOver(video), "the end", () => describe(video), patience);
  return video.currentTime;
}

// A timer of dash.js may see the end first: it seeks there and pauses, and nothing ends any more.
function isOver(video) {
  return video.ended || (video.paused && video.currentTime >= video.duration);
}

async function advance(video, where) {
  const from = video.currentTime;
  const advanced = () => video.currentTime - from >= ADVANCE_SECONDS || video.ended;
  await until(advanced, `time at ${where}`, () => describe(video));
  return video.currentTime - from;
}

async function until(condition, what, state, patience = PATIENCE_SECONDS) {
  const deadline = performance.now() + patience * 1000;
  while (!condition()) {
    if (performance.now() > deadline) {
      throw new Error(`waited in vain for ${what}: ${state()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function timeout(seconds, message) {
  return new Promise((_, reject) =>
    setTimeout(() => reject(new Error(message())), seconds * 1000),
  );
}

function describe(video) {
  const { currentTime, readyState, paused, ended, videoWidth, videoHeight } = video;
  return JSON.stringify({ currentTime, readyState, paused, ended, videoWidth, videoHeight });
}
