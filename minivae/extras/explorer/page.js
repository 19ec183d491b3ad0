"use strict";
/* The page: a plane of codes, and what you can do in it. What the code is, and
what is chosen, is in `state`; a new code ends in draw(), all else in
drawPlane(). */

const data = JSON.parse(document.getElementById("data").textContent);
const D = data.latentDim;
const LINE = D === 1;        // with one number to a code there is no plane
const decoder = new Decoder(data.layers, floats(data.weights));
const [H, W, C] = data.layers.at(-1).output;
const CELLS = H * W > 2000 ? 12 : 24;   // of the landscape, along each side
const STEPS = 12;            // images on a path
const NEAR = 14;             // pixels within which a click takes a point

const $ = (id) => document.getElementById(id);
const plane = $("plane"), paint = plane.getContext("2d");
const points = data.points && readPoints(data.points);
const REACH = reach();       // the plane shows -REACH to REACH

const state = {
  z: new Float64Array(D), across: 0, up: 1, chosen: -1,
  eps: Float64Array.from({ length: D }, normal), shown: new Set(),
  a: null, b: null, playing: null,
};
if (points) points.names.forEach((_, label) => state.shown.add(label));

// ---- reading the data -------------------------------------------------------

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function floats(text) {
  return new Float32Array(bytes(text).buffer);
}

/* A picture with many images, which is used when it has come. */
function sheetOf(sprite, use) {
  const sheet = new Image();
  sheet.src = sprite;
  sheet.onload = use;
  return sheet;
}

function readPoints({ mu, logvar, labels, names, colours, sprite, columns }) {
  return { mu: floats(mu), logvar: floats(logvar), labels: bytes(labels),
           names: names.map((name) => name.trim() || "(no name)"), colours,
           sheet: sheetOf(sprite, () => draw()), columns,
           count: bytes(labels).length };
}

function reach() {
  if (!points) return 3;
  const sizes = points.mu.map(Math.abs).sort();
  return Math.max(3, 1.05 * sizes[Math.floor(0.995 * sizes.length)]);
}

/* A number with that many digits, and a true minus sign. */
function number(value, digits = 2) {
  return value.toFixed(digits).replace("-", "−");
}

/* A draw from N(0, 1), from two uniform ones (Box and Muller). */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - Math.random()))
    * Math.cos(2 * Math.PI * Math.random());
}

const mean = (i) => points.mu.subarray(i * D, (i + 1) * D);
const sigma = (i) => points.logvar.subarray(i * D, (i + 1) * D)
  .map((logvar) => Math.exp(0.5 * logvar));

// ---- images -----------------------------------------------------------------

/* The colours of the page, so that ink is dark on light or light on dark. */
function colour(name) {
  return getComputedStyle(document.documentElement)
    .getPropertyValue(name).trim();
}

function shade(name) {
  const hex = colour(name).slice(1);
  const long = hex.length === 3 ? [...hex].map((x) => x + x).join("") : hex;
  return [0, 2, 4].map((i) => parseInt(long.slice(i, i + 2), 16));
}

let paper = shade("--paper"), ink = shade("--ink");

/* Paint an image, H·W·C numbers in 0..1, over all of a canvas. */
function show(canvas, image) {
  canvas.width = W;
  canvas.height = H;
  canvas.getContext("2d").putImageData(toPixels(image), 0, 0);
}

function toPixels(image) {
  const pixels = new ImageData(W, H);
  for (let i = 0; i < H * W; i++) {
    for (let c = 0; c < 3; c++) {
      pixels.data[4 * i + c] = C === 3 ? 255 * image[3 * i + c]
        : paper[c] + (ink[c] - paper[c]) * image[i];
    }
    pixels.data[4 * i + 3] = 255;
  }
  return pixels;
}

/* Image i of a sheet, cut out of it. */
function cutOut({ sheet, columns }, i) {
  const canvas = document.createElement("canvas");
  canvas.width = W;
  canvas.height = H;
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  brush.drawImage(sheet, (i % columns) * W, Math.floor(i / columns) * H,
                  W, H, 0, 0, W, H);
  const pixels = brush.getImageData(0, 0, W, H).data;
  return Float32Array.from({ length: H * W * C }, (_, k) =>
    pixels[4 * Math.floor(k / C) + (k % C)] / 255);
}

// ---- the plane --------------------------------------------------------------

/* Codes to pixels of the plane's canvas, and back: z[up] grows upwards, but a
   canvas counts its rows from the top. */
const toX = (value) => (1 + value / REACH) / 2 * plane.width;
const toY = (value) => (1 - value / REACH) / 2 * plane.height;
const fromX = (x) => (2 * x / plane.width - 1) * REACH;
const fromY = (y) => (1 - 2 * y / plane.height) * REACH;
const placeOf = (z) => [toX(z[state.across]),
                        LINE ? plane.height / 2 : toY(z[state.up])];

/* Where a test image's mean lies: on a line, each class has a row. */
function pointOf(i) {
  const [x, y] = placeOf(mean(i));
  return [x, LINE ? (points.labels[i] + 0.5) / points.names.length
    * plane.height : y];
}

/* The plane has as many pixels as the screen has there; unit: a CSS pixel. */
let unit = 1;

function fitPlane() {
  const wide = plane.clientWidth || 640;
  unit = window.devicePixelRatio || 1;
  if (plane.width === Math.round(wide * unit)) return;
  plane.width = Math.round(wide * unit);
  plane.height = LINE ? plane.width / 2 : plane.width;
  paintDots();
  paintLandscape();
  draw();
}

const background = document.createElement("canvas");
const dots = document.createElement("canvas");
let job = 0;                 // which landscape is being painted

/* Decode CELLS × CELLS codes into the background, a few at a time; on a line,
   one row of CELLS, each as high as the line. */
function paintLandscape() {
  const mine = ++job, cell = document.createElement("canvas");
  const count = LINE ? CELLS : CELLS * CELLS;
  background.width = plane.width;
  background.height = plane.height;
  cell.width = W;
  cell.height = H;
  const size = plane.width / CELLS, brush = background.getContext("2d");
  const z = Float64Array.from(state.z);
  let next = 0;
  (function some() {
    const start = performance.now();
    while (performance.now() - start < 8 && next < count) {
      const row = Math.floor(next / CELLS), column = next % CELLS;
      z[state.across] = fromX((column + 0.5) * size);
      if (!LINE) z[state.up] = fromY((row + 0.5) * size);
      cell.getContext("2d").putImageData(toPixels(decoder.decode(z)), 0, 0);
      brush.drawImage(cell, column * size,
                      LINE ? (plane.height - size) / 2 : row * size,
                      size, size);
      next += 1;
    }
    if (mine !== job) return;                    // another one has begun
    drawPlane();
    if (next < count) requestAnimationFrame(some);
  })();
}

function paintDots() {
  dots.width = plane.width;
  dots.height = plane.height;
  if (!points) return;
  const brush = dots.getContext("2d"), many = points.count > 500;
  const dot = (many ? 2.5 : 5) * unit;
  brush.globalAlpha = 0.75;
  for (let i = 0; i < points.count; i++) {
    if (!state.shown.has(points.labels[i])) continue;
    brush.fillStyle = points.colours[points.labels[i]];
    const [x, y] = pointOf(i);
    brush.fillRect(x - dot / 2, y - dot / 2, dot, dot);
  }
}

function drawPlane() {
  paint.fillStyle = colour("--paper");
  paint.fillRect(0, 0, plane.width, plane.height);
  if ($("landscape").checked) {
    paint.globalAlpha = points && $("show-points").checked ? 0.4 : 1;
    paint.drawImage(background, 0, 0);
    paint.globalAlpha = 1;
  }
  if ($("show-points").checked) paint.drawImage(dots, 0, 0);
  drawAxes();
  if (state.chosen >= 0) drawEllipse(state.chosen);
  if (state.a && state.b) drawWay();
  for (const end of ["a", "b"]) {
    if (state[end]) drawMark(state[end], end.toUpperCase());
  }
  paint.strokeStyle = colour("--accent");
  const [x, y] = placeOf(state.z), arm = 13 * unit;
  paint.lineWidth = 2.5 * unit;
  paint.beginPath();
  paint.arc(x, y, 8 * unit, 0, 2 * Math.PI);
  paint.moveTo(x - arm, y);
  paint.lineTo(x + arm, y);
  paint.moveTo(x, y - arm);
  paint.lineTo(x, y + arm);
  paint.stroke();
}

function drawAxes() {
  const { width, height } = plane;
  paint.fillStyle = colour("--text");
  paint.strokeStyle = colour("--paper");          // around the letters
  paint.lineWidth = 4 * unit;
  paint.font = `${13 * unit}px system-ui, sans-serif`;
  const write = (...text) => {
    paint.strokeText(...text);
    paint.fillText(...text);
  };
  const step = Math.ceil(REACH / 6), last = Math.floor(0.8 * REACH / step);
  for (let tick = -last * step; tick <= last * step; tick += step) {
    write(number(tick, 0), toX(tick) - 4 * unit, height - 6 * unit);
    if (!LINE) write(number(tick, 0), 5 * unit, toY(tick) + 4 * unit);
  }
  write(`z[${state.across}]`, width - 34 * unit, height - 6 * unit);
  if (!LINE) write(`z[${state.up}]`, 5 * unit, 16 * unit);
}

function drawEllipse(i) {
  const s = sigma(i), scale = plane.width / (2 * REACH), [x, y] = pointOf(i);
  paint.strokeStyle = paint.fillStyle = colour("--text");
  paint.lineWidth = 2 * unit;
  paint.beginPath();
  paint.ellipse(x, y, Math.max(1, s[state.across] * scale),
                LINE ? 3 * unit : Math.max(1, s[state.up] * scale),
                0, 0, 2 * Math.PI);
  paint.stroke();
  paint.fillRect(x - 3 * unit, y - 3 * unit, 6 * unit, 6 * unit);
}

function drawWay() {
  paint.strokeStyle = colour("--text");
  paint.lineWidth = 2 * unit;
  paint.beginPath();
  for (let k = 0; k <= 60; k++) {
    paint.lineTo(...placeOf(onTheWay(k / 60)));
  }
  paint.stroke();
}

function drawMark(z, letter) {
  const [x, y] = placeOf(z);
  paint.fillStyle = colour("--text");
  paint.beginPath();
  paint.arc(x, y, 10 * unit, 0, 2 * Math.PI);
  paint.fill();
  paint.fillStyle = colour("--paper");
  paint.font = `bold ${13 * unit}px system-ui, sans-serif`;
  paint.fillText(letter, x - 5 * unit, y + 4.5 * unit);
}

// ---- from A to B: paths.py ---------------------------------------------------

function onTheWay(t) {
  const { a, b } = state, length = (v) => Math.hypot(...v);
  const mix = (s, u, r, v) => u.map((value, k) => s * value + r * v[k]);
  const straight = mix(1 - t, a, t, b);
  const way = document.querySelector("input[name=way]:checked").value;
  const radii = [length(a), length(b)];
  if (way === "straight" || Math.min(...radii) === 0) return straight;
  const p = a.map((v) => v / radii[0]), q = b.map((v) => v / radii[1]);
  const angle = 2 * Math.atan2(length(mix(1, p, -1, q)),
                               length(mix(1, p, 1, q)));
  if (Math.sin(angle) < 1e-6) return straight;
  const radius = (1 - t) * radii[0] + t * radii[1];
  return mix(radius * Math.sin((1 - t) * angle) / Math.sin(angle), p,
             radius * Math.sin(t * angle) / Math.sin(angle), q);
}

function drawStrip() {
  paintStrip($("strip"), state.a && state.b
    && ((k) => decoder.decode(onTheWay(k / (STEPS - 1)))));
}

/* Paint the images of a strip, if there are any, side by side. */
function paintStrip(strip, imageOf) {
  strip.width = STEPS * W;
  strip.height = H;
  const brush = strip.getContext("2d");
  for (let k = 0; imageOf && k < STEPS; k++) {
    brush.putImageData(toPixels(imageOf(k)), k * W, 0);
  }
}

/* Move z from A to B and back, until it is asked to stop. */
function play() {
  if (state.playing) {
    cancelAnimationFrame(state.playing);
    state.playing = null;
  } else {
    if (!state.a) setEnd("a", Float64Array.from(state.z));
    if (!state.b) setEnd("b", state.z.map((value) => -value || 0.5));
    const start = performance.now();
    (function step(now) {
      const turn = Math.max(0, now - start) / 3000 % 2;
      moveTo(onTheWay(turn < 1 ? turn : 2 - turn));
      state.playing = requestAnimationFrame(step);
    })(start);
  }
  label("play", state.playing);
}

function label(id, playing) {
  $(id).textContent = playing ? "Stop" : "Play";
  $(id).setAttribute("aria-pressed", Boolean(playing));
}

function setEnd(name, z) {
  state[name] = z;
  drawStrip();
  drawPlane();
}

// ---- a test image -----------------------------------------------------------

function choose(i) {
  state.chosen = i;
  $("point").hidden = $("noise").hidden = false;
  $("no-point").hidden = true;
  show($("input"), cutOut(points, i));
  show($("reconstruction"), decoder.decode(mean(i)));
  $("input-name").textContent = points.names[points.labels[i]];
  addNoise();
}

/* The reparameterization: z = μ + σ·ε, with an amount of ε. */
function addNoise() {
  const i = state.chosen, amount = Number($("eps").value);
  const mu = mean(i), s = sigma(i);
  const z = Float64Array.from(mu, (m, k) => m + amount * s[k] * state.eps[k]);
  $("amount").textContent = number(amount);
  $("formula").textContent = Array.from(z.slice(0, 2), (value, k) =>
    `${number(value)} = ${number(mu[k])} + ${number(amount)}·${number(s[k])}`
    + `·(${number(state.eps[k])})`).join(";  ");
  show($("sample"), decoder.decode(z));
  moveTo(z);
}

function nearestPoint(x, y) {
  let best = -1, least = (NEAR * unit) ** 2;
  for (let i = 0; points && i < points.count; i++) {
    if (!state.shown.has(points.labels[i])) continue;
    const [px, py] = pointOf(i), far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}

// ---- draws of other models --------------------------------------------------

let asked = 0;               // how often for others

function drawRelatives() {
  for (const relative of data.relatives) {
    if (!relative.sheet.complete) continue;
    paintStrip(relative.strip, (k) =>
      cutOut(relative, (asked * STEPS + k) % relative.count));
  }
}

// ---- the code ---------------------------------------------------------------

let times = [];

function moveTo(z) {
  state.z = Float64Array.from(z);
  draw();
}

function draw() {
  const start = performance.now();
  const image = decoder.decode(state.z);
  times = [...times.slice(-29), performance.now() - start];
  show($("image"), image);
  const median = [...times].sort((a, b) => a - b)[times.length >> 1];
  const squares = state.z.reduce((sum, value) => sum + value * value, 0);
  const nats = -0.5 * (squares + D * Math.log(2 * Math.PI));
  $("z").textContent = "(" + Array.from(state.z, (value) =>
    number(value)).join(", ") + ")";
  $("density").textContent = `${Math.exp(nats).toPrecision(3)}, or `
    + `${number(nats)} nats`;
  $("time").textContent = `${median.toFixed(1)} ms`;
  for (const slider of document.querySelectorAll("#sliders input")) {
    slider.value = state.z[slider.dataset.axis];
  }
  drawPlane();
}

// ---- what you can do --------------------------------------------------------

/* Pointers: moving over the plane moves the code, where a mouse hovers or a
   finger is down; one picture for each frame of the screen. */
let waiting = null;

function follow(event) {
  if (event.pointerType !== "mouse" && !event.buttons) return;
  const first = !waiting;
  waiting = place(event);
  if (first) requestAnimationFrame(() => {
    const [x, y] = waiting;
    waiting = null;
    if (state.playing) return;
    const z = Float64Array.from(state.z);
    z[state.across] = fromX(x);
    if (!LINE) z[state.up] = fromY(y);
    moveTo(z);
  });
}

function place(event) {
  const box = plane.getBoundingClientRect();
  return [(event.clientX - box.left) * plane.width / box.width,
          (event.clientY - box.top) * plane.height / box.height];
}

plane.addEventListener("pointermove", follow);
plane.addEventListener("pointerdown", follow);
plane.addEventListener("click", (event) => {
  const i = nearestPoint(...place(event));
  if (i >= 0) choose(i);
});

const KEYS = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};
plane.addEventListener("keydown", (event) => {
  const step = (event.shiftKey ? 0.5 : 0.1) * REACH / 3;
  const z = Float64Array.from(state.z), key = event.key;
  if (key in KEYS) {
    z[state.across] += step * KEYS[key][0];
    if (!LINE) z[state.up] += step * KEYS[key][1];
    moveTo(z.map((value) => Math.max(-REACH, Math.min(REACH, value))));
  } else if (key === "Home") {
    moveTo(z.fill(0));
  } else if (key === "a" || key === "b") {
    setEnd(key, z);
  } else if (key === "p") {
    play();
  } else if (key === "l") {
    $("landscape").click();
  } else {
    return;
  }
  event.preventDefault();
});

$("landscape").addEventListener("change", drawPlane);
$("show-points").addEventListener("change", drawPlane);
$("set-a").addEventListener("click", () => setEnd("a", state.z.slice()));
$("set-b").addEventListener("click", () => setEnd("b", state.z.slice()));
$("play").addEventListener("click", play);
$("eps").addEventListener("input", addNoise);
$("draw").addEventListener("click", () => {
  state.eps = Float64Array.from({ length: D }, normal);
  addNoise();
});
$("draw-others").addEventListener("click", () => {
  asked += 1;
  drawRelatives();
});
$("any-point").addEventListener("click", () => {
  choose(Math.floor(points.count * Math.random()));
});
for (const input of document.querySelectorAll("input[name=way]")) {
  input.addEventListener("change", () => { drawStrip(); drawPlane(); });
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  [paper, ink] = [shade("--paper"), shade("--ink")];
  paintLandscape();
  drawStrip();
  drawRelatives();
  const { z } = state;
  if (state.chosen >= 0) choose(state.chosen);
  moveTo(z);                                     // which choose has moved
});

// ---- building the page ------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

function buildLegend() {
  points.names.forEach((name, label) => {
    const dot = element("span", { className: "dot" });
    dot.style.background = points.colours[label];
    const button = element("button", { type: "button", title: name }, dot,
                           name);
    button.setAttribute("aria-pressed", "true");
    button.addEventListener("click", () => {
      const shown = !state.shown.delete(label);
      if (shown) state.shown.add(label);
      button.setAttribute("aria-pressed", shown);
      paintDots();
      drawPlane();
    });
    $("legend").append(button);
  });
}

/* With more than two numbers to a code: a slider for each, and which two of
   them span the plane. */
function buildAxes() {
  for (let k = 0; k < D; k++) {
    for (const side of ["across", "up"]) {
      $(side).append(element("option", { value: k, textContent: `z[${k}]`,
                                         selected: k === state[side] }));
    }
  }
  for (const side of ["across", "up"]) {
    $(side).parentElement.hidden = D <= 2;
    $(side).addEventListener("change", () => {
      state[side] = Number($(side).value);
      paintDots();
      paintLandscape();
      draw();
    });
  }
  for (let k = 0; D > 2 && k < D; k++) {
    const slider = element("input", { type: "range", min: -REACH, max: REACH,
                                      step: 0.05, value: 0 });
    slider.dataset.axis = k;
    slider.addEventListener("input", () => {
      const z = Float64Array.from(state.z);
      z[k] = Number(slider.value);
      moveTo(z);
    });
    slider.addEventListener("change", paintLandscape);
    $("sliders").append(element("label", { className: "wide" }, `z[${k}]`,
                                slider));
  }
}

function buildRelatives() {
  $("relatives-card").hidden = !data.relatives.length;
  for (const relative of data.relatives) {
    relative.strip = element("canvas", { className: "strip", role: "img",
      ariaLabel: `Draws: ${relative.name}` });
    relative.sheet = sheetOf(relative.sprite, drawRelatives);
    $("relatives").append(element("p", {}, relative.name, relative.strip));
  }
}

function buildTimeline() {
  if (!data.frames.length) return;
  const slider = $("timeline");
  $("timeline-card").hidden = false;
  slider.max = slider.value = data.frames.length - 1;
  const go = () => {
    const frame = data.frames[slider.value];
    $("frame").src = frame.image;
    $("frame").alt = `The landscape, ${frame.title}`;
    $("frame-title").textContent = frame.title;
  };
  let timer = null;
  slider.addEventListener("input", go);
  $("play-time").addEventListener("click", () => {
    if (timer) {
      timer = clearInterval(timer);
    } else {
      timer = setInterval(() => {
        slider.value = (Number(slider.value) + 1) % data.frames.length;
        go();
      }, 250);
    }
    label("play-time", timer);
  });
  go();
}

function buildPython() {
  for (const { name, file, line, source } of data.python) {
    $("python").append(element("details", {},
      element("summary", {}, `${name}: ${file}, line ${line}`),
      element("pre", { textContent: source })));
  }
}

$("title").textContent = data.title;
if (D > 2) $("count").textContent = `${D} numbers`;
if (LINE) {
  $("count").textContent = "one number";
  for (const word of document.getElementsByClassName("plane")) {
    word.textContent = "line";
  }
  plane.classList.add("line");
}
$("frame").classList.toggle("ink", C === 1);
if (points) buildLegend();
$("point-card").hidden = !points;
$("show-points").parentElement.hidden = !points;
buildAxes();
buildRelatives();
buildTimeline();
buildPython();
drawStrip();
fitPlane();
new ResizeObserver(fitPlane).observe(plane);
addEventListener("resize", fitPlane);
