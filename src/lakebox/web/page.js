// The frames to step through, and what of them is seen.
(() => {
  const { frames, classes, assets, sampled } = JSON.parse(document.getElementById("data").textContent);
  if (!frames.length) return;
  const { make, said, fill, paint, meet } = Drawing(classes);
  const by = (id) => document.getElementById(id);
  const MANY = 12; // classes that are seen at a glance
  const hidden = new Set(), thumbs = [], entries = [], heads = [];
  let current = 0, names = true, focus = null, changes = null;

  const visible = (shapes) => shapes.filter((shape) => !hidden.has(shape.class));
  const isLabelled = (frame) => visible(frame.shapes).length > 0 || (!hidden.size && frame.facts.length > 0);
  const isFocus = (shape) => shape.class === focus.class && [undefined, shape.track].includes(focus.track);
  const isChanged = (frame) => Boolean(frame.changed);

  // ---- the frame that is shown

  const views = () => {
    const frame = frames[current], now = [by("now").lastElementChild, frame.shapes];
    return frame.before ? [[by("before").lastElementChild, frame.before.shapes], now] : [now];
  };

  // Objects that are not the same before and now; null where there is nothing to compare.
  const changesOf = (frame) => {
    const sides = frame.before ? [frame.before.shapes, frame.shapes] : [];
    const [before, now] = sides.map((shapes) => new Set(shapes.map((shape) => JSON.stringify(shape))));
    const isSame = (shape) => before.has(JSON.stringify(shape)) && now.has(JSON.stringify(shape));
    const found = new Set(sides.flat().filter((shape) => !isSame(shape)));
    return found.size ? found : null;
  };

  const repaint = (words = focus ? said(focus) : "") => {
    const frame = frames[current], lit = focus ? isFocus : changes && ((shape) => changes.has(shape));
    const look = { wide: 1, names: names || Boolean(focus), lit };
    const missing = views().map(([view, shapes]) => paint(view, frame, visible(shapes), look)).pop();
    const faint = lit ? "What did not change is faint. " : "";
    const crowded = missing ? `Not all names have room (${missing} missing): point at an object or a class.` : "";
    by("here").textContent = focus ? words : faint + crowded;
  };
  const setFocus = (wanted) => {
    focus = wanted;
    entries.forEach(({ line, at }) => line.classList.toggle("lit", Boolean(focus) && at === focus.class));
  };

  const show = (at) => {
    current = Math.min(Math.max(at, 0), frames.length - 1);
    const frame = frames[current];
    changes = changesOf(frame);
    if (focus && !frame.shapes.some(isFocus)) setFocus(null);
    by("before").hidden = by("now-caption").hidden = !frame.before;
    views().forEach(([view]) => fill(view, frame, "72vh"));
    repaint();
    by("scrub").value = current;
    by("scrub").setAttribute("aria-valuetext", frame.title);
    const place = `row ${frame.row}${frame.changed ? ", changed" : ""} (${current + 1} of ${frames.length})`;
    by("where").textContent = `${frame.title}, ${place}`;
    by("where").dataset.row = frame.row;
    by("where").dataset.frame = frame.frame;
    const facts = frame.facts.map((fact) => make("li", fact));
    for (const fact of frame.before ? frame.before.facts : []) {
      if (!frame.facts.includes(fact)) facts.push(make("li", `before: ${fact}`));
    }
    by("facts").replaceChildren(...facts);
    for (const { line, count, at } of entries) {
      const found = frame.shapes.filter((shape) => shape.class === at).length;
      count.textContent = found || "";
      line.classList.toggle("away", !found);
    }
    thumbs.forEach(({ thumb }, at) => {
      thumb.classList.toggle("current", at === current);
      if (at === current) thumb.setAttribute("aria-current", "true"); else thumb.removeAttribute("aria-current");
    });
  };

  const next = (wanted) => {
    for (let step = 1; step <= frames.length; step++) {
      const at = (current + step) % frames.length;
      if (wanted(frames[at])) return show(at);
    }
  };
  const toggleNames = () => {
    names = !names;
    by("names").setAttribute("aria-pressed", String(names));
    repaint();
  };

  // An object or a class is seen before all others while somebody points at it.
  const point = (wanted, words) => {
    const found = wanted && !hidden.has(wanted.class) ? wanted : null;
    if (focus && found ? focus.class === found.class && focus.track === found.track : focus === found) return;
    setFocus(found);
    repaint(words);
  };
  const pointAt = (event) => {
    const found = meet(event.clientX, event.clientY);
    point(found[0] ? { class: found[0].class, track: found[0].track } : null, found.map(said).join(" \u00b7 "));
  };

  // ---- what can be hidden

  const changeHidden = (members, isHidden) => {
    for (const at of members) if (isHidden) hidden.add(at); else hidden.delete(at);
    setFocus(null);
    for (const { tick, at } of entries) tick.checked = !hidden.has(at);
    for (const { tick, members } of heads) {
      const seen = members.filter((at) => !hidden.has(at)).length;
      tick.checked = seen === members.length;
      tick.indeterminate = seen > 0 && !tick.checked;
    }
    repaint();
    thumbs.filter(({ isSeen }) => isSeen).forEach(paintThumb);
    ticks();
  };

  const entry = (at) => {
    const line = make("label", undefined, "class"), swatch = make("span", undefined, "swatch");
    const tick = ticked(), count = make("span", "", "count");
    swatch.style.background = classes[at].colour;
    line.append(tick, swatch, make("span", classes[at].name), count);
    tick.addEventListener("change", () => changeHidden([at], !tick.checked));
    line.addEventListener("dblclick", () => {
      changeHidden(classes.keys(), true);
      changeHidden([at], false);
    });
    for (const kind of ["pointerenter", "focusin"]) line.addEventListener(kind, () => point({ class: at }));
    for (const kind of ["pointerleave", "focusout"]) line.addEventListener(kind, () => point(null));
    entries.push({ line, tick, count, at });
    return line;
  };

  const ticked = () => Object.assign(make("input"), { type: "checkbox", checked: true });

  const legend = () => {
    const columns = new Map(), inOrder = (one, other) => one.localeCompare(other, undefined, { numeric: true });
    classes.forEach((one, at) => columns.set(one.column, [...(columns.get(one.column) || []), at]));
    for (const column of [...columns.keys()].sort(inOrder)) {
      const members = columns.get(column).sort((one, other) => inOrder(classes[one].name, classes[other].name));
      const box = make("div", undefined, "column");
      if (members.length > 1) {
        const head = make("label", undefined, "head"), tick = ticked();
        head.append(tick, make("span", column));
        tick.addEventListener("change", () => changeHidden(members, !tick.checked));
        heads.push({ tick, members });
        box.append(head);
      }
      box.append(...members.map(entry));
      by("legend").append(box);
    }
    if (!classes.length) by("legend").append(make("p", "No object on these frames.", "soft"));
  };

  const listed = () => entries.filter(({ line }) => !line.hidden).map(({ at }) => at);
  const find = () => {
    const wanted = by("find").value.toLowerCase();
    for (const { line, at } of entries) {
      line.hidden = !`${classes[at].name} ${classes[at].column}`.toLowerCase().includes(wanted);
    }
    for (const box of document.querySelectorAll(".column")) box.hidden = !box.querySelector(".class:not([hidden])");
  };

  // ---- all frames

  const paintThumb = ({ view, frame }) =>
    paint(view, frame, visible(frame.shapes), { wide: 0.5, names: false, lit: null });

  const sheet = () => {
    const each = new Set(frames.map((frame) => frame.asset)).size === frames.length; // images: one of each
    const watch = new IntersectionObserver((met) => { // pictures that nobody sees need no memory
      for (const one of met) {
        const seen = thumbs[one.target.dataset.at];
        seen.isSeen = one.isIntersecting;
        fill(seen.view, seen.frame, "120px");
        if (seen.isSeen) paintThumb(seen);
      }
    }, { rootMargin: "300px" });
    let row, asset;
    frames.forEach((frame, at) => {
      if (!row || (!each && frame.asset !== asset)) {
        asset = frame.asset;
        row = make("div", undefined, "thumbs");
        by("sheet").append(...(each ? [] : [make("h3", assets[asset])]), row);
      }
      const thumb = make("button", undefined, frame.changed ? "thumb changed" : "thumb");
      const mat = make("div", undefined, "mat"), view = make("div", undefined, "view");
      mat.setAttribute("aria-hidden", "true"); // its name is below it
      mat.append(view);
      thumb.append(mat, make("span", each ? assets[frame.asset] : `frame ${frame.frame}`));
      thumb.dataset.at = at;
      thumb.addEventListener("click", () => {
        show(at);
        by("pictures").scrollIntoView({ behavior: "smooth", block: "start" });
      });
      row.append(thumb);
      thumbs.push({ thumb, view, frame, isSeen: false });
      watch.observe(thumb);
    });
  };

  const ticks = () => by("ticks").replaceChildren(...frames.map((frame, at) => {
    const tick = make("i", undefined, isChanged(frame) ? "changed" : isLabelled(frame) ? "labelled" : "");
    tick.style.left = `${(100 * at) / Math.max(1, frames.length - 1)}%`;
    return tick;
  }));

  by("pictures").hidden = false;
  by("sampled").textContent = sampled;
  by("scrub").max = frames.length - 1;
  by("stepping").hidden = by("back").hidden = by("on").hidden = frames.length < 2;
  by("labelled").hidden = frames.length < 2 || !frames.some(isLabelled);
  by("changed").hidden = !frames.some(isChanged);
  by("names").hidden = !classes.length;
  by("many").hidden = classes.length <= MANY;
  by("lines").hidden = !frames.some((frame) => frame.shapes.some((shape) => shape.between));
  by("scrub").addEventListener("input", (event) => show(Number(event.target.value)));
  const keys = {
    ArrowLeft: () => show(current - 1), ArrowRight: () => show(current + 1),
    Home: () => show(0), End: () => show(frames.length - 1),
    l: () => next(isLabelled), c: () => next(isChanged), n: toggleNames,
  };
  const buttons = { back: "ArrowLeft", on: "ArrowRight", labelled: "l", changed: "c", names: "n" };
  for (const [id, key] of Object.entries(buttons)) by(id).addEventListener("click", keys[key]);
  by("find").addEventListener("input", find);
  by("all").addEventListener("click", () => changeHidden(listed(), false));
  by("none").addEventListener("click", () => changeHidden(listed(), true));
  document.addEventListener("keydown", (event) => {
    const action = keys[event.key] || keys[event.key.toLowerCase()];
    if (!action || event.ctrlKey || event.metaKey || event.altKey || event.target === by("find")) return;
    event.preventDefault();
    action();
  });
  for (const kind of ["pointermove", "pointerdown"]) by("views").addEventListener(kind, pointAt);
  by("views").addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(null));
  let waiting;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(repaint, 100);
  });
  legend();
  ticks();
  sheet();
  const first = frames.findIndex(isChanged);
  show(first >= 0 ? first : Math.max(0, frames.findIndex(isLabelled)));
})();
