"use strict";
// Draws frames with their objects. All text comes as data and goes into the page as text, never as markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const data = JSON.parse(document.getElementById("data").textContent);
  const { frames, classes, assets } = data;
  if (!frames.length) return;
  const by = (id) => document.getElementById(id);
  const hidden = new Set();
  let current = 0, names = true;

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
  // Black or white, whichever is easier to see beside the colour.
  const ink = (colour) => {
    const part = (at) => (parseInt(colour.slice(at, at + 2), 16) / 255) ** 2.2;
    return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) > 0.18 ? "#000000" : "#ffffff";
  };

  // ---- one picture with everything on it

  const paintMasks = (canvas, shapes) => {
    const masks = shapes.filter((shape) => shape.kind === "mask");
    if (!masks.length) return;
    [canvas.width, canvas.height] = masks[0].size;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    for (const mask of masks) {
      const colour = classes[mask.class].colour;
      const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      let at = 0, set = false;
      for (const length of mask.runs) {
        if (set) {
          for (let pixel = at; pixel < at + length; pixel++) {
            image.data.set([red, green, blue, 140], 4 * pixel);
          }
        }
        at += length;
        set = !set;
      }
    }
    context.putImageData(image, 0, 0);
  };

  const corner = (shape) => {
    if (shape.kind === "mask") {
      let at = 0;
      for (let i = 0; i < shape.runs.length; i++) {
        if (i % 2) return [at % shape.size[0] / shape.size[0], Math.floor(at / shape.size[0]) / shape.size[1]];
        at += shape.runs[i];
      }
      return [0, 0];
    }
    if (shape.kind === "box" || shape.kind === "point") return shape.at.slice(0, 2);
    let best = 0;
    for (let i = 2; i < shape.at.length; i += 2) if (shape.at[i + 1] < shape.at[best + 1]) best = i;
    return shape.at.slice(best, best + 2);
  };

  const paintShapes = (svg, frame, shapes, scale, named) => {
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${frame.size[0]} ${frame.size[1]}`);
    svg.setAttribute("preserveAspectRatio", "none");
    const words = [];
    for (const shape of shapes) {
      const colour = classes[shape.class].colour;
      const points = [];
      for (let i = 0; shape.at && i < shape.at.length; i += 2) points.push(`${shape.at[i]},${shape.at[i + 1]}`);
      const bodies = {
        box: () => draw("rect", { x: shape.at[0], y: shape.at[1], width: Math.max(0, shape.at[2]), height: Math.max(0, shape.at[3]) }),
        polygon: () => draw("polygon", { points: points.join(" ") }),
        line: () => draw("polyline", { points: points.join(" ") }),
        point: () => draw("circle", { cx: shape.at[0], cy: shape.at[1], r: 5 * scale }),
      };
      if (bodies[shape.kind]) {
        const isPoint = shape.kind === "point";
        for (const [paint, width] of [[ink(colour), 4.4], [colour, 2.4]]) {
          const body = bodies[shape.kind]();
          body.setAttribute("stroke", paint);
          body.setAttribute("stroke-width", (isPoint ? width / 2 : width) * scale);
          body.setAttribute("fill", isPoint ? (shape.between ? ink(colour) : colour) : "none");
          if (shape.between) body.setAttribute("stroke-dasharray", `${8 * scale} ${6 * scale}`);
          svg.append(body);
        }
      }
      if (named) words.push([shape, colour]);
    }
    for (const [shape, colour] of words) {
      let [x, y] = corner(shape);
      if (shape.kind === "mask") [x, y] = [x * frame.size[0], y * frame.size[1]];
      const said = classes[shape.class].name + (shape.track === undefined ? "" : ` #${String(shape.track % 1000).padStart(3, "0")}`);
      const text = draw("text", {
        x: Math.min(Math.max(x, 2 * scale), frame.size[0] - 30 * scale),
        y: Math.min(Math.max(y - 4 * scale, 12 * scale), frame.size[1] - 3 * scale),
        "font-size": 13 * scale, "font-family": "system-ui, sans-serif", "font-weight": 600,
        fill: colour, stroke: ink(colour), "stroke-width": 3 * scale, "stroke-linejoin": "round", "paint-order": "stroke",
      });
      text.textContent = said;
      svg.append(text);
    }
  };

  const visible = (shapes) => shapes.filter((shape) => !hidden.has(shape.class));

  const fill = (view, frame, shapes, named) => {
    const space = draw("svg", { viewBox: `0 0 ${frame.size[0]} ${frame.size[1]}`, class: "space" });
    const image = make("img");
    image.alt = frame.title;
    view.style.maxWidth = `${(72 * frame.size[0]) / frame.size[1]}vh`; // all of a frame is on the screen at once
    image.decoding = "async";
    if (frame.image) image.src = frame.image;
    const canvas = make("canvas"), svg = draw("svg", {});
    view.replaceChildren(space, ...(frame.image ? [image] : []), canvas, svg);
    paintMasks(canvas, visible(shapes));
    const wide = view.getBoundingClientRect().width || 640;
    paintShapes(svg, frame, visible(shapes), frame.size[0] / wide, named);
  };

  // ---- the frame that is shown

  const show = (at) => {
    current = Math.min(Math.max(at, 0), frames.length - 1);
    const frame = frames[current];
    by("before").hidden = by("now-caption").hidden = !frame.before;
    if (frame.before) fill(by("before").querySelector(".view"), frame, frame.before.shapes, names);
    fill(by("now").querySelector(".view"), frame, frame.shapes, names);
    by("scrub").value = current;
    by("where").textContent = `${frame.title}, row ${frame.row}${frame.changed ? ", changed" : ""} (${current + 1} of ${frames.length})`;
    by("where").dataset.row = frame.row;
    by("where").dataset.frame = frame.frame;
    const said = frame.facts.map((fact) => make("li", fact));
    for (const fact of frame.before ? frame.before.facts : []) {
      if (!frame.facts.includes(fact)) said.push(make("li", `before: ${fact}`));
    }
    by("facts").replaceChildren(...said);
    for (const count of document.querySelectorAll(".count")) {
      const found = frame.shapes.filter((shape) => String(shape.class) === count.dataset.class).length;
      count.textContent = found || "";
    }
    document.querySelectorAll(".thumb").forEach((thumb, at) => thumb.classList.toggle("current", at === current));
  };

  const next = (wanted) => {
    for (let step = 1; step <= frames.length; step++) {
      const at = (current + step) % frames.length;
      if (wanted(frames[at])) return show(at);
    }
  };
  const isLabelled = (frame) => frame.shapes.length > 0 || frame.facts.length > 0;
  const isChanged = (frame) => Boolean(frame.changed);
  const toggleNames = () => {
    names = !names;
    by("names").setAttribute("aria-pressed", String(names));
    show(current);
  };

  // ---- what can be hidden

  const legend = () => {
    const columns = new Map();
    classes.forEach((one, at) => columns.set(one.column, [...(columns.get(one.column) || []), at]));
    for (const [column, members] of columns) {
      const box = make("div", undefined, "column");
      const head = make("label"), all = make("input");
      all.type = "checkbox";
      all.checked = true;
      head.append(all, make("span", column));
      const each = members.map((at) => {
        const line = make("label", undefined, "class"), tick = make("input");
        tick.type = "checkbox";
        tick.checked = true;
        const swatch = make("span", undefined, "swatch"), count = make("span", "", "count");
        swatch.style.background = classes[at].colour;
        count.dataset.class = at;
        line.append(tick, swatch, make("span", classes[at].name), count);
        tick.addEventListener("change", () => {
          if (tick.checked) hidden.delete(at); else hidden.add(at);
          all.checked = ticks.every((other) => other.checked);
          all.indeterminate = !all.checked && ticks.some((other) => other.checked);
          show(current);
        });
        box.append(line);
        return tick;
      });
      const ticks = each;
      all.addEventListener("change", () => {
        ticks.forEach((tick, i) => {
          tick.checked = all.checked;
          if (all.checked) hidden.delete(members[i]); else hidden.add(members[i]);
        });
        show(current);
      });
      box.prepend(head);
      by("legend").append(box);
    }
    if (!classes.length) by("legend").append(make("p", "No object on these frames.", "soft"));
  };

  const sheet = () => {
    const each = new Set(frames.map((frame) => frame.asset)).size === frames.length; // images: one of each
    let thumbs, asset;
    frames.forEach((frame, at) => {
      if (!thumbs || (!each && frame.asset !== asset)) {
        asset = frame.asset;
        thumbs = make("div", undefined, "thumbs");
        by("sheet").append(...(each ? [] : [make("h3", assets[asset])]), thumbs);
      }
      const thumb = make("button", undefined, frame.changed ? "thumb changed" : "thumb"), view = make("div", undefined, "view");
      thumb.append(view, make("span", each ? assets[frame.asset] : `frame ${frame.frame}`));
      thumb.addEventListener("click", () => {
        show(at);
        by("pictures").scrollIntoView({ behavior: "smooth", block: "start" });
      });
      thumbs.append(thumb);
      fill(view, frame, frame.shapes, false);
    });
  };

  const ticks = () => {
    frames.forEach((frame, at) => {
      const kind = isChanged(frame) ? "changed" : isLabelled(frame) ? "labelled" : "";
      const tick = make("i", undefined, kind);
      tick.style.left = `${frames.length > 1 ? (100 * at) / (frames.length - 1) : 50}%`;
      by("ticks").append(tick);
    });
  };

  by("pictures").hidden = false;
  by("sampled").textContent = data.sampled;
  by("scrub").max = frames.length - 1;
  by("changed").hidden = !frames.some(isChanged);
  by("lines").hidden = !frames.some((frame) => frame.shapes.some((shape) => shape.between));
  by("scrub").addEventListener("input", (event) => show(Number(event.target.value)));
  by("back").addEventListener("click", () => show(current - 1));
  by("on").addEventListener("click", () => show(current + 1));
  by("labelled").addEventListener("click", () => next(isLabelled));
  by("changed").addEventListener("click", () => next(isChanged));
  by("names").addEventListener("click", toggleNames);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowLeft: () => show(current - 1), ArrowRight: () => show(current + 1),
      l: () => next(isLabelled), c: () => next(isChanged), n: toggleNames,
    };
    const action = keys[event.key] || keys[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => show(current), 100);
  });
  legend();
  ticks();
  sheet();
  const first = frames.findIndex(isChanged);
  show(first >= 0 ? first : Math.max(0, frames.findIndex(isLabelled)));
})();
