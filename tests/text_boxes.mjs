// Print what codem-isoboxer, dash.js's reader of boxes, finds in the MP4 files of a text track.
//
// usage: node text_boxes.mjs INIT SEGMENT…
//
// {handler, timescale, language, entry, segments: [{brand, start, samples: [{duration, cues:
// [{settings, text}], empty}]}]}; times in ticks, `start` is the segment's `tfdt`.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const ISOBoxer = createRequire(import.meta.url)("codem-isoboxer");
const [init, ...segments] = process.argv.slice(2);

function parse(bytes) {
  return ISOBoxer.parseBuffer(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function samples(bytes) {
  const file = parse(bytes);
  const [moof] = file.fetchAll("moof");
  const run = file.fetch("trun");
  const defaults = file.fetch("tfhd");
  let at = moof._offset + run.data_offset;
  const found = run.samples.map(({ sample_size: size, sample_duration: own }) => {
    const boxes = parse(bytes.subarray(at, at + size)).boxes;
    at += size;
    return {
      duration: own ?? defaults.default_sample_duration,
      cues: boxes.filter(({ type }) => type === "vttc").map(cue),
      empty: boxes.map(({ type }) => type).join() === "vtte",
    };
  });
  return {
    brand: file.fetch("styp").major_brand,
    start: file.fetch("tfdt").baseMediaDecodeTime,
    samples: found,
  };
}

function cue({ boxes }) {
  const of = (kind) => boxes.find(({ type }) => type === kind);
  return {
    settings: of("sttg")?.settings ?? "",
    text: of("payl")?.cue_text,
  };
}

const head = parse(readFileSync(init));
console.log(
  JSON.stringify({
    handler: head.fetch("hdlr").handler_type,
    timescale: head.fetch("mdhd").timescale,
    language: head.fetch("mdhd").language,
    entry: head.fetch("stsd").entries[0].type,
    segments: segments.map((name) => samples(readFileSync(name))),
  }),
);
