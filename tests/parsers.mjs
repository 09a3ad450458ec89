// Read manifests by the parsers of others, one after the other.
//
// usage: node parsers.mjs
//
// Each line of stdin is a manifest, {name, text}; a line of stdout then says what was found in it:
// {warnings, groups, variants, iframes}.

import { createInterface } from "node:readline";
import HLS from "hls-parser";
import { Parser } from "m3u8-parser";
import { parse } from "mpd-parser";

HLS.setOptions({ strictMode: true });

for await (const line of createInterface({ input: process.stdin })) {
  const { name, text } = JSON.parse(line);
  const warnings = [];
  const tell = ({ type, message }) => warnings.push(`${type ?? "warn"}: ${message}`);
  let found = {};
  try {
    found = name.endsWith(".mpd") ? dash(text, tell) : hls(text, tell);
  } catch (error) {
    warnings.push(String(error));
  }
  console.log(JSON.stringify({ warnings, ...found }));
}

function hls(text, tell) {
  const parser = new Parser();
  parser.on("warn", tell);
  parser.on("info", tell);
  parser.push(text);
  parser.end();
  // Strict: whatever breaks RFC 8216 is thrown.
  HLS.parse(text);
  return shown(parser.manifest);
}

function dash(text, tell) {
  const manifestUri = "http://localhost/manifest.mpd";
  return shown(parse(text, { manifestUri, eventHandler: tell }));
}

function shown({ mediaGroups, playlists = [], iFramePlaylists = [] }) {
  return {
    groups: { AUDIO: mediaGroups?.AUDIO, SUBTITLES: mediaGroups?.SUBTITLES },
    variants: playlists.map(({ attributes, uri }) => ({ ...attributes, uri })),
    iframes: iFramePlaylists.map(({ attributes, uri }) => ({ ...attributes, uri })),
  };
}
