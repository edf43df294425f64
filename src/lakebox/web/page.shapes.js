"use strict";
// One picture with everything on it: masks lowest, then outlines, small ones above large ones, then names.
// All text comes as data and goes into the page as text, never as markup.
const Drawing = (classes) => {
  const SVG = "http://www.w3.org/2000/svg";
  const SPECKLES = 6000; // runs of a mask that has no outline: there would be nothing but outline
  const HIGH = 17, PAD = 5; // of a name's plate, in pixels of the screen
  const MOST = 0.25; // of a picture that names may cover
  const owners = new WeakMap(), measured = new WeakMap();
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = "600 12px system-ui, sans-serif";

  const make = (tag, words, kind) => {
    const made = document.createElement(tag);
    if (words !== undefined) made.textContent = words;
    if (kind) made.className = kind;
    return made;
  };
  const draw = (tag, values) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(values)) made.setAttribute(name, value);
    return made;
  };
  const parts = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  // Black or white, whichever is easier to see beside the colour.
  const ink = (colour) => {
    const [red, green, blue] = parts(colour).map((part) => (part / 255) ** 2.2);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000000" : "#ffffff";
  };
  const said = (shape) =>
    classes[shape.class].name + (shape.track === undefined ? "" : ` #${String(shape.track % 1000).padStart(3, "0")}`);

  // ---- where a shape is: its box, its area, where its name is best, and a mask's outline

  // Of each row the places where a mask begins and ends, in turn; one more row, which is empty.
  const edges = (runs, [width, height]) => {
    const rows = Array.from({ length: height + 1 }, () => []);
    let at = 0;
    runs.forEach((length, i) => {
      for (let from = at; i % 2 && from < at + length; ) {
        const y = Math.floor(from / width), to = Math.min(at + length, (y + 1) * width);
        rows[y].push(from - y * width, to - y * width);
        from = to;
      }
      at += length;
    });
    return rows;
  };

  // Along the edges of pixels: a line turns wherever a row begins or ends where the row above it does not.
  const outline = (rows, width, scale) => {
    const across = new Map(), down = new Map(), open = new Map();
    const link = (links, one, other) => links.set(one, other).set(other, one);
    rows.forEach((row, y) => {
      const above = rows[y - 1] || [];
      const turns = [...row.filter((x) => !above.includes(x)), ...above.filter((x) => !row.includes(x))];
      turns.sort((one, other) => one - other).forEach((x, i) => {
        const corner = y * (width + 1) + x;
        if (i % 2) link(across, y * (width + 1) + turns[i - 1], corner);
        if (open.has(x)) link(down, open.get(x), corner);
        if (!open.delete(x)) open.set(x, corner);
      });
    });
    const x = (corner) => ((corner % (width + 1)) * scale[0]).toFixed(1);
    const y = (corner) => (Math.floor(corner / (width + 1)) * scale[1]).toFixed(1);
    let path = "";
    for (const start of across.keys()) {
      path += `M${x(start)} ${y(start)}`;
      let here = start;
      do {
        const there = across.get(here);
        across.delete(here);
        across.delete(there);
        here = down.get(there);
        path += `H${x(there)}V${y(here)}`;
      } while (here !== start);
      path += "Z";
    }
    return path;
  };

  const measureMask = (shape, frame) => {
    const rows = edges(shape.runs, shape.size), set = rows.flatMap((row, y) => (row.length ? [y] : []));
    if (!set.length) return { box: [0, 0, 0, 0], area: 0, name: [0, 0], path: "" };
    const scale = [frame.size[0] / shape.size[0], frame.size[1] / shape.size[1]];
    const [top, bottom] = [set[0], set.at(-1) + 1];
    const left = Math.min(...set.map((y) => rows[y][0])), right = Math.max(...set.map((y) => rows[y].at(-1)));
    const area = shape.runs.reduce((sum, length, i) => sum + (i % 2) * length, 0) * scale[0] * scale[1];
    const path = shape.runs.length > SPECKLES ? "" : outline(rows, shape.size[0], scale);
    const box = [left * scale[0], top * scale[1], right * scale[0], bottom * scale[1]];
    return { box, area, name: [rows[top][0] * scale[0], box[1]], path };
  };

  const measureLines = ({ kind, at }) => {
    const corners = kind === "box" ? [at[0], at[1], at[0] + at[2], at[1] + at[3]] : at;
    const x = corners.filter((_, i) => i % 2 === 0), y = corners.filter((_, i) => i % 2);
    const box = [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)];
    const left = kind === "box" ? box[0] : x[y.indexOf(box[1])];
    const isArea = kind === "box" || kind === "polygon";
    return { box, area: isArea ? (box[2] - box[0]) * (box[3] - box[1]) : 0, name: [left, box[1]] };
  };

  const measure = (shape, frame) => {
    const known = measured.get(shape) || (shape.kind === "mask" ? measureMask(shape, frame) : measureLines(shape));
    measured.set(shape, known);
    return known;
  };

  // ---- what is painted

  // The smallest mask of a place is seen there, in its own colour: mixed ones would look like other classes.
  const paintMasks = (canvas, masks, lit) => {
    [canvas.width, canvas.height] = masks.length ? masks[0].size : [1, 1];
    const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (const mask of masks) {
      const [red, green, blue] = parts(classes[mask.class].colour);
      const alpha = !lit ? 102 : lit(mask) ? 140 : 20;
      const colour = ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0; // as all browsers' machines have it
      let at = 0;
      mask.runs.forEach((length, i) => {
        if (i % 2) pixels.fill(colour, at, at + length);
        at += length;
      });
    }
    context.putImageData(image, 0, 0);
  };

  const body = (shape, frame) => {
    const { kind, at } = shape;
    if (kind === "mask") return draw("path", { d: measure(shape, frame).path, "fill-rule": "evenodd" });
    const [x, y, width, height] = at;
    if (kind === "point") return draw("circle", { cx: x, cy: y });
    if (kind === "box") return draw("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height) });
    return draw(kind === "line" ? "polyline" : "polygon", { points: at.join(" ") });
  };

  // A line of the class's colour on a rim of black or white, so that it shows on any picture. What a pointer meets
  // is the whole of a shape, and a little more of one that is thin.
  const strokes = (shape, frame, scale, wide) => {
    const colour = classes[shape.class].colour, isPoint = shape.kind === "point", group = draw("g", {});
    owners.set(group, shape);
    const layers = [[ink(colour), 4.4 * wide], [colour, 2.4 * wide]];
    if (isPoint || shape.kind === "line") layers.unshift(["transparent", 16]);
    for (const [paint, width] of layers) {
      const line = body(shape, frame);
      if (isPoint) line.setAttribute("r", 5 * wide * scale);
      line.setAttribute("stroke", paint);
      line.setAttribute("stroke-width", (isPoint && paint !== "transparent" ? width / 2 : width) * scale);
      line.setAttribute("fill", !isPoint ? "none" : shape.between ? ink(colour) : colour);
      line.setAttribute("pointer-events", shape.kind === "line" ? "stroke" : "all");
      const dashes = [8, 6].map((length) => length * wide * scale).join(" ");
      if (shape.between && paint !== "transparent") line.setAttribute("stroke-dasharray", dashes);
      group.append(line);
    }
    return group;
  };

  const fitting = (words, width) => {
    if (ruler.measureText(words).width <= width) return words;
    let kept = words.length;
    while (kept && ruler.measureText(`${words.slice(0, kept)}\u2026`).width > width) kept--;
    return kept ? `${words.slice(0, kept)}\u2026` : "";
  };

  const plate = (shape, [x, y], wide, words, scale) => {
    const colour = classes[shape.class].colour;
    const card = draw("rect", { x: x * scale, y: y * scale, width: wide * scale, height: HIGH * scale, fill: colour });
    const text = draw("text", {
      x: (x + PAD) * scale, y: (y + 12.5) * scale, "font-size": 12 * scale, "font-family": "system-ui, sans-serif",
      "font-weight": 600, fill: ink(colour),
    });
    text.textContent = words;
    const name = draw("g", { class: "name", "pointer-events": "none" });
    name.append(card, text);
    return name;
  };

  // Names beside their shapes, those of small shapes first: one that finds no room beside the others is left out.
  const write = (svg, frame, shapes, scale, most) => {
    const [width, height] = [frame.size[0] / scale, frame.size[1] / scale];
    const meets = ([x, y, wide, high]) => ([left, top, w, h]) =>
      x < left + w && left < x + wide && y < top + h && top < y + high;
    const points = shapes.filter((shape) => shape.kind === "point");
    const taken = points.map(({ at }) => [at[0] / scale - 6, at[1] / scale - 6, 12, 12]);
    let room = most * width * height, missing = 0;
    for (const shape of shapes) {
      const where = measure(shape, frame), [left, top, right, bottom] = where.box.map((place) => place / scale);
      const [x, y] = where.name.map((place) => place / scale);
      const words = fitting(said(shape), width - 2 * PAD), wide = ruler.measureText(words).width + 2 * PAD;
      const spots = [
        [x, y - HIGH], [x - wide, y - HIGH], [right - wide, y - HIGH], [x, top], [right, top], [left - wide, top],
        [left, bottom], [right - wide, bottom],
      ].map(([x, y]) => [Math.max(0, Math.min(x, width - wide)), Math.max(0, Math.min(y, height - HIGH)), wide, HIGH]);
      const free = spots.find((spot) => !taken.some(meets(spot))) || (shapes.length === 1 && spots[0]);
      if (!words || !free || wide * HIGH > room) {
        missing++;
        continue;
      }
      room -= wide * HIGH;
      taken.push(free);
      svg.append(plate(shape, free, wide, words, scale));
    }
    return missing;
  };

  // Room for a frame, all of which is on the screen at once, and its picture.
  const fill = (view, frame, tall) => {
    const whole = { viewBox: `0 0 ${frame.size[0]} ${frame.size[1]}`, "aria-hidden": true };
    const space = draw("svg", { ...whole, class: "space" }), image = make("img");
    const svg = draw("svg", { ...whole, preserveAspectRatio: "none" });
    image.alt = frame.title;
    image.decoding = "async";
    if (frame.image) image.src = frame.image;
    view.style.maxWidth = `calc(${tall} * ${frame.size[0] / frame.size[1]})`;
    view.replaceChildren(space, ...(frame.image ? [image] : []), make("canvas"), svg);
  };

  // Paint shapes over a frame; says how many names found no room. `look`: how wide lines are, whether there are names,
  // and which shapes are to be seen before all others, if any.
  const paint = (view, frame, shapes, { wide, names, lit }) => {
    const svg = view.lastChild, scale = frame.size[0] / (view.getBoundingClientRect().width || 640);
    const sorted = shapes.map((shape) => [Boolean(lit && lit(shape)), measure(shape, frame).area, shape])
      .sort(([one, area], [other, its]) => one - other || its - area).map(([, , shape]) => shape);
    paintMasks(svg.previousSibling, sorted.filter((shape) => shape.kind === "mask"), lit);
    svg.replaceChildren(...sorted.map((shape) => {
      const group = strokes(shape, frame, scale, wide);
      if (lit && !lit(shape)) group.setAttribute("opacity", 0.2);
      return group;
    }));
    const named = names ? sorted.filter((shape) => !lit || lit(shape)).reverse() : [];
    return write(svg, frame, named, scale, lit ? Infinity : MOST);
  };

  // The shapes at a place of the screen, small ones first.
  const meet = (x, y) => {
    const found = document.elementsFromPoint(x, y).map((one) => owners.get(one.parentNode)).filter(Boolean);
    return [...new Set(found)].sort((one, other) => measured.get(one).area - measured.get(other).area);
  };

  return { make, said, fill, paint, meet };
};
