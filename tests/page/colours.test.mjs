// What the page promises of its colours: the five statuses are told apart by every kind of colour vision and stand out
// from what they stand on; text reads at 7:1. Run: node --test tests/page
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const tokens = readFileSync(new URL("../../src/server/page/assets/tokens.css", import.meta.url), "utf8");
const STATUSES = ["started", "in-progress", "completed", "failed", "compensated"];

/** A token's colour in a theme, as linear RGB. */
function colour(name, theme) {
  const [, light, dark] = new RegExp(`--${name}: light-dark\\((#[0-9a-f]{6}), (#[0-9a-f]{6})\\)`).exec(tokens) ?? assert.fail(`no token --${name}`);
  const hex = theme === "light" ? light : dark;
  return [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
}

const luminance = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

function contrast(a, b) {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

// Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
const VISIONS = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

const seen = (rgb, vision) => VISIONS[vision].map((row) => Math.min(Math.max(row.reduce((sum, it, at) => sum + it * rgb[at], 0), 0), 1));

function lab([r, g, b]) {
  const x = (0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047;
  const y = 0.2126729 * r + 0.7151522 * g + 0.072175 * b;
  const z = (0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883;
  const f = (t) => (t > 216 / 24389 ? Math.cbrt(t) : (841 / 108) * t + 4 / 29);
  return [116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))];
}

/** CIEDE2000. */
function difference([l1, a1, b1], [l2, a2, b2]) {
  const rad = Math.PI / 180;
  const mean = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2;
  const g = 0.5 * (1 - Math.sqrt(mean ** 7 / (mean ** 7 + 25 ** 7)));
  const [p1, p2] = [a1 * (1 + g), a2 * (1 + g)];
  const [c1, c2] = [Math.hypot(p1, b1), Math.hypot(p2, b2)];
  const hue = (a, b) => (a === 0 && b === 0 ? 0 : (Math.atan2(b, a) / rad + 360) % 360);
  const [h1, h2] = [hue(p1, b1), hue(p2, b2)];
  const turn = c1 * c2 === 0 ? 0 : h2 - h1 > 180 ? h2 - h1 - 360 : h2 - h1 < -180 ? h2 - h1 + 360 : h2 - h1;
  const dh = 2 * Math.sqrt(c1 * c2) * Math.sin((turn / 2) * rad);
  const l = (l1 + l2) / 2;
  const c = (c1 + c2) / 2;
  const h = c1 * c2 === 0 ? h1 + h2 : Math.abs(h1 - h2) <= 180 ? (h1 + h2) / 2 : (h1 + h2 + (h1 + h2 < 360 ? 360 : -360)) / 2;
  const t = 1 - 0.17 * Math.cos((h - 30) * rad) + 0.24 * Math.cos(2 * h * rad) + 0.32 * Math.cos((3 * h + 6) * rad) - 0.2 * Math.cos((4 * h - 63) * rad);
  const sl = 1 + (0.015 * (l - 50) ** 2) / Math.sqrt(20 + (l - 50) ** 2);
  const sc = 1 + 0.045 * c;
  const sh = 1 + 0.015 * c * t;
  const rt = -2 * Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7)) * Math.sin(60 * Math.exp(-(((h - 275) / 25) ** 2)) * rad);
  const [dl, dc] = [l2 - l1, c2 - c1];
  return Math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rt * (dc / sc) * (dh / sh));
}

test("CIEDE2000 is the one that was published", () => {
  // Sharma, Wu and Dalal (2005), pairs 1, 7 and 17.
  for (const [a, b, told] of [[[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425], [[50, 0, 0], [50, -1, 2], 2.3669], [[50, 2.5, 0], [73, 25, -18], 27.1492]]) {
    assert.ok(Math.abs(difference(a, b) - told) < 0.0001);
  }
});

for (const [theme, apart] of [["light", 19], ["dark", 16]]) {
  test(`statuses are told apart by every kind of colour vision, ${theme}`, () => {
    for (const vision of Object.keys(VISIONS)) {
      for (const [at, a] of STATUSES.entries()) {
        for (const b of STATUSES.slice(at + 1)) {
          const far = difference(lab(seen(colour(a, theme), vision)), lab(seen(colour(b, theme), vision)));
          assert.ok(far >= apart, `${a} and ${b}, ${vision}: ${far.toFixed(1)}`);
        }
      }
    }
  });
}

test("statuses stand out from what they stand on", () => {
  for (const [theme, least] of [["light", 3.19], ["dark", 4.49]]) {
    for (const status of STATUSES) {
      for (const ground of ["ground", "surface"]) {
        const told = contrast(colour(status, theme), colour(ground, theme));
        assert.ok(told >= least, `${status} on ${ground}, ${theme}: ${told.toFixed(2)}`);
      }
    }
  }
});

test("text reads at 7:1 on everything that it stands on", () => {
  for (const theme of ["light", "dark"]) {
    for (const ink of ["ink", "ink-2"]) {
      for (const ground of ["ground", "surface", "sunken", "hover", "picked"]) {
        const told = contrast(colour(ink, theme), colour(ground, theme));
        assert.ok(told >= 7, `${ink} on ${ground}, ${theme}: ${told.toFixed(2)}`);
      }
    }
    assert.ok(contrast(colour("inverse", theme), colour("ink", theme)) >= 7);
  }
});
