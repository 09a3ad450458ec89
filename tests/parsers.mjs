// Read manifests by the parsers of Video.js, and print what they found as JSON.
//
// usage: node parsers.mjs < {"hls": text, "dash": text}
//
// Prints {warnings, hls: {groups, variants, iframes}, dash: {groups, variants, iframes}}.

import { text } from "node:stream/consumers";
import { Parser } from "m3u8-parser";
import { parse } from "mpd-parser";

const given = JSON.parse(await text(process.stdin));
const warnings = [];
const tell = ({ type, message }) => warnings.push(`${type ?? "warn"}: ${message}`);

const parser = new Parser();
parser.on("warn", tell);
parser.on("info", tell);
parser.push(given.hls);
parser.end();
const manifestUri = "http://localhost/manifest.mpd";
const dash = parse(given.dash, { manifestUri, eventHandler: tell });

console.log(JSON.stringify({ warnings, hls: shown(parser.manifest), dash: shown(dash) }));

function shown({ mediaGroups, playlists, iFramePlaylists = [] }) {
  return {
    groups: { AUDIO: mediaGroups.AUDIO, SUBTITLES: mediaGroups.SUBTITLES },
    variants: playlists.map(({ attributes, uri }) => ({ ...attributes, uri })),
    iframes: iFramePlaylists.map(({ attributes, uri }) => ({ ...attributes, uri })),
  };
}
