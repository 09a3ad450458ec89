// The page around the picture: which player, which tracks, and the addresses for other players.

import { playSegments } from "/_player/player.js";

const SCRIPTS = { "hls.js": "hls.min.js", "dash.js": "dash.all.min.js" };
const element = (id) => document.getElementById(id);
const picture = element("picture");
const url = (path) => new URL(path, location.origin).href;
const complain = (error) => (element("alert").textContent = error?.message ?? `${error}`);
const GROWING = { manifests: { hls: "master.m3u8", dash: "manifest.mpd" } };

const PLAYERS = {
  "the asset's segments": (asset) => playSegments(picture, asset, choices, complain),
  "hls.js": (asset) => {
    const player = new Hls();
    player.on(Hls.Events.ERROR, (_, { fatal, details }) => fatal && complain(`hls.js: ${details}`));
    player.loadSource(url(asset.manifests.hls));
    player.attachMedia(picture);
  },
  "dash.js": (asset) => {
    const player = dashjs.MediaPlayer().create();
    player.on("error", ({ error }) => complain(`dash.js: ${error.message}`));
    player.initialize(picture, url(asset.manifests.dash), false);
  },
  "the browser's own HLS": (asset) => {
    picture.src = url(asset.manifests.hls);
  },
};

function choices(id, items, chosen, choose) {
  const options = items.map((item) => new Option(label(item), "", false, item === chosen));
  element(id).replaceChildren(...options);
  element(id).onchange = () => choose(items[element(id).selectedIndex]);
  element(id).closest("label").hidden = items.length < 2;
}

function label(item) {
  const { name, width, height, title } = item;
  return width ? `${name} (${width}×${height})` : title || name || item;
}

function showAddresses(asset) {
  for (const manifest of Object.values(asset.manifests)) {
    const address = document.createElement("code");
    address.textContent = url(manifest);
    element("addresses").appendChild(document.createElement("li")).append(address);
  }
}

function run(name) {
  const script = Object.assign(document.createElement("script"), { src: `/_player/${name}` });
  return new Promise((done, failed) => {
    script.onload = done;
    script.onerror = () => failed(new Error(`${script.src} does not load`));
    document.head.append(script);
  });
}

// The record of an asset comes last: until then it grows, and can be watched once it has a master.
async function record() {
  const found = await fetch("/asset.json");
  if (found.ok) return found.json();
  complain("The asset is still being encoded; it starts as soon as there is something to see.");
  while (!(await fetch(GROWING.manifests.hls, { method: "HEAD" })).ok) {
    await new Promise((done) => setTimeout(done, 500));
  }
  complain("");
  return GROWING;
}

async function open() {
  const scripts = await (await fetch("/_player/")).json();
  const asset = await record();
  showAddresses(asset);
  const able = {
    "the asset's segments": "MediaSource" in window && asset !== GROWING,
    "the browser's own HLS": picture.canPlayType("application/vnd.apple.mpegurl"),
  };
  const names = Object.keys(PLAYERS).filter((name) => able[name] ?? scripts.includes(SCRIPTS[name]));
  if (!names.length) {
    throw new Error("This browser plays none of it by itself: use a player below, or `npm ci`.");
  }
  const wanted = decodeURIComponent(location.hash.slice(1));
  const name = names.includes(wanted) ? wanted : names[0];
  choices("player", names, name, (other) => {
    location.hash = encodeURIComponent(other);
    location.reload();
  });
  picture.addEventListener("error", () => complain(picture.error));
  if (name in SCRIPTS) await run(SCRIPTS[name]);
  await PLAYERS[name](asset);
}

open().catch(complain);
