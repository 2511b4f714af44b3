(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const { texts, moments, media, emotions } = data;

  // Points

  const unpack = (text, Kind) => {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    return new Kind(bytes.buffer);
  };
  const unpacked = (table, Kind) =>
    Object.fromEntries(Object.entries(table).map(([name, text]) => [name, unpack(text, Kind)]));
  const times = unpack(data.series.times, Float32Array);
  const values = unpacked(data.series.values, Float32Array);
  const parts = unpacked(data.series.parts, Uint8Array);
  const overview = unpacked(data.series.overview, Uint32Array);
  const held = unpack(data.series.held, Uint8Array);
  const MOST_POINTS = 10000;
  const MOST_MARKS = 250;

  const firstAt = (time) => {
    let low = 0;
    let high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < time) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const nearest = (time) => {
    const after = Math.min(firstAt(time), times.length - 1);
    return after > 0 && time - times[after - 1] < times[after] - time ? after - 1 : after;
  };

  // What is in sight, in full where it is little enough, else the points that hold the extremes.
  const points = (name, [start, end]) => {
    const chosen = overview[name];
    const from = chosen ? Math.max(0, firstAt(start) - 1) : 0;
    const to = chosen ? Math.min(times.length, firstAt(end) + 1) : times.length;
    if (chosen && to - from > MOST_POINTS) {
      return { x: Array.from(chosen, (i) => times[i]), y: Array.from(chosen, (i) => values[name][i]) };
    }
    return { x: times.subarray(from, to), y: values[name].subarray(from, to) };
  };

  const long = data.figures.timeline.layout.xaxis.range[1] >= 3600;
  const clock = (seconds, digits = 1) => {
    const unit = 10 ** digits;
    const total = Math.round(Math.max(0, seconds) * unit);
    const minutes = Math.floor(total / (60 * unit));
    const rest = ((total % (60 * unit)) / unit).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    const hours = Math.floor(minutes / 60);
    return hours || long ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };

  // Plots

  const { timeline, emotions: pie, matrix } = data.figures;
  const whole = timeline.layout.xaxis.range;
  const marks = timeline.traces.filter((trace) => trace.meta.marks);
  const plot = $("timeline");
  let range = whole;
  let printing = false;

  const themed = (value) => {
    const style = getComputedStyle(root);
    const walk = (item) => {
      if (typeof item === "string") {
        return item.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
      }
      if (Array.isArray(item)) return item.map(walk);
      if (item && typeof item === "object" && !ArrayBuffer.isView(item)) {
        return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, walk(inner)]));
      }
      return item;
    };
    return walk(value);
  };

  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200];
  const ticks = ([start, end], width) => {
    const most = Math.max(2, Math.floor(width / 84));
    const step = STEPS.find((s) => (end - start) / s <= most) || 86400;
    const found = [];
    for (let i = Math.ceil(start / step - 1e-6); i * step <= end + 1e-6; i++) found.push(i * step);
    return { tickvals: found, ticktext: found.map((t) => clock(t, step < 1 ? 1 : 0)) };
  };

  const touch = matchMedia("(pointer: coarse)").matches;
  const PRINTED = { timeline: 640, matrix: 290, emotions: 150 };
  const config = { displayModeBar: false, doubleClick: false, showAxisDragHandles: false, showTips: false };
  const sized = (layout, id) => ({
    height: $(id).clientHeight,
    ...layout,
    width: printing ? PRINTED[id] : $(id).clientWidth,
  });

  // Marks, and numbers of marks, that would lie on each other wait until the zoom parts them.
  const visible = (trace) => {
    const inside = trace.x.filter((x) => x >= range[0] && x <= range[1]).length;
    if (inside > MOST_MARKS) return { ...trace, x: [], y: [] };
    if (!trace.text) return trace;
    const near = (16 * (range[1] - range[0])) / plot.clientWidth;
    const free = (x, i) => !trace.x.slice(0, i).some((better) => Math.abs(better - x) < near);
    return { ...trace, text: trace.text.map((text, i) => (free(trace.x[i], i) ? text : "")) };
  };
  const drawTimeline = () => {
    const layout = sized(themed(timeline.layout), "timeline");
    layout.xaxis = { ...layout.xaxis, range: [...range], ...ticks(range, layout.width) };
    layout.dragmode = touch ? false : "zoom"; // A finger scrolls the page.
    const traces = timeline.traces.map((trace) => themed(
      trace.meta.series ? { ...trace, ...points(trace.meta.series, range) } : visible(trace)));
    return Plotly.react(plot, traces, layout, config).then(placeCursor);
  };
  const drawOthers = () => {
    for (const [id, figure] of [["emotions", pie], ["matrix", matrix]]) {
      if (figure && $(id)) Plotly.react($(id), themed(figure.traces), sized(themed(figure.layout), id), config);
    }
  };
  const draw = () => drawTimeline().then(drawOthers);

  const zoomTo = (start, end) => {
    const length = Math.min(whole[1] - whole[0], Math.max(2, end - start));
    const from = Math.min(Math.max(start, whole[0]), whole[1] - length);
    range = [from, from + length];
    drawTimeline();
  };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const factor = Number(button.dataset.zoom);
      if (!factor) return zoomTo(...whole);
      const middle = now >= range[0] && now <= range[1] ? now : (range[0] + range[1]) / 2;
      const half = ((range[1] - range[0]) * factor) / 2;
      return zoomTo(middle - half, middle + half);
    });
  }

  // The player: the video itself, or one small clip a moment

  const player = $("player");
  const clipped = media.clips.some((clip) => clip);
  let linked = Boolean(media.link);
  let loaded = -1;
  let now = whole[0];

  const say = (...lines) => {
    $("note").textContent = lines.join(" ");
    $("note").hidden = false;
  };
  const clipAt = (time) =>
    moments.findIndex(([start, end], i) => media.clips[i] && time >= start && time <= end);
  const load = (index) => {
    if (loaded === index) return;
    loaded = index;
    player.src = media.clips[index];
    const [start, end] = moments[index];
    const base = media.note ? [texts[media.note]] : [];
    say(...base, `${texts.clip_of.replace("{rank}", index + 1)}: ${clock(start)} – ${clock(end)}`);
  };

  function seek(time, { play = false, moment = -1 } = {}) {
    now = time;
    placeCursor();
    if (!player || player.hidden) return;
    if (linked) {
      player.currentTime = time;
    } else {
      const index = moment >= 0 && media.clips[moment] ? moment : clipAt(time);
      if (index < 0) {
        player.pause();
        say(texts.no_clip_here);
        loaded = -1;
        return;
      }
      load(index);
      player.currentTime = Math.max(0, time - moments[index][0]);
    }
    if (play) player.play().catch(() => {});
    const box = player.getBoundingClientRect();
    if (play && (box.bottom < 80 || box.top > innerHeight - 80)) {
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      player.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
    }
  }

  const broken = () => {
    if (!linked) return;
    linked = false;
    if (clipped) {
      load(media.clips.findIndex((clip) => clip));
    } else {
      player.hidden = true;
      say(texts.link_broken, decodeURI(media.expected));
    }
  };

  const follow = () => {
    if (!linked && loaded < 0) return;
    now = player.currentTime + (linked ? 0 : moments[loaded][0]);
    placeCursor();
    if (!player.paused) requestAnimationFrame(follow);
  };

  if (player) {
    for (const event of ["play", "seeked", "timeupdate"]) player.addEventListener(event, follow);
    player.addEventListener("error", broken);
    if (linked && player.error) broken();
    else if (!linked && clipped) load(media.clips.findIndex((clip) => clip));
  }

  const cards = [...document.querySelectorAll("[data-moment]")];
  for (const card of cards) {
    const index = Number(card.dataset.moment);
    card.addEventListener("click", () => {
      seek(moments[index][0], { play: true, moment: index });
      // So that the space bar pauses what plays.
      if (player && !player.hidden) player.focus({ preventScroll: true });
    });
  }
  for (const button of document.querySelectorAll("[data-time]")) {
    button.addEventListener("click", () => seek(Number(button.dataset.time), { play: true }));
  }

  // Between pixels and times

  const axis = () => plot._fullLayout && plot._fullLayout.xaxis;
  const pixelOf = (time) => axis()._offset + axis().l2p(time);
  const timeOf = (event) => {
    const x = event.clientX - plot.getBoundingClientRect().left - axis()._offset;
    return x < 0 || x > axis()._length ? null : axis().p2l(x);
  };
  const place = (line, time) => {
    const size = axis() && plot._fullLayout._size;
    const inside = size && time >= range[0] && time <= range[1];
    line.style.display = inside ? "block" : "none";
    if (!inside) return;
    line.style.top = `${size.t}px`;
    line.style.height = `${size.h}px`;
    line.style.transform = `translateX(${pixelOf(time)}px)`;
  };
  function placeCursor() {
    place($("cursor"), now);
    cards.forEach((card, i) => {
      const current = now >= moments[i][0] && now < moments[i][1];
      if (current) card.setAttribute("aria-current", "true");
      else card.removeAttribute("aria-current");
    });
  }
  // A peak or a turning point within a few pixels.
  const markAt = (time) => {
    let best = null;
    let reach = 8;
    for (const trace of marks.map(visible)) {
      trace.x.forEach((x, i) => {
        const far = Math.abs(pixelOf(x) - pixelOf(time));
        if (far < reach) {
          reach = far;
          best = { time: x, text: trace.customdata[i] };
        }
      });
    }
    return best;
  };

  const row = (table, name, value) => {
    const line = table.insertRow();
    line.insertCell().textContent = name;
    line.insertCell().textContent = value;
  };
  const show = (time) => {
    const box = $("readout");
    const i = nearest(time);
    const mark = markAt(time);
    const title = document.createElement("b");
    const table = document.createElement("table");
    title.textContent = clock(mark ? mark.time : times[i]);
    box.replaceChildren(title);
    if (mark) box.append(` ${mark.text}`);
    const number = (name, sign) => {
      const value = values[name][i];
      if (!Number.isFinite(value)) return "–";
      return (sign && value > 0 ? "+" : "") + value.toFixed(2).replace("-", "−");
    };
    row(table, texts.tension, number("tension"));
    row(table, texts.valence, number("valence", true));
    row(table, texts.arousal, number("arousal", true));
    row(table, texts.loudness, number("loudness"));
    row(table, texts.leading, held[i] < emotions.length ? texts[emotions[held[i]]] : "–");
    box.append(table);
    const shares = Object.entries(parts).map(([name, share]) => [texts[name] || name, share[i]])
      .filter(([, share]) => share >= 5).sort((a, b) => b[1] - a[1]);
    if (values.tension[i] >= 0.05 && shares.length) {
      const small = document.createElement("small");
      small.textContent = `${texts.tension}: ${shares.map(([n, s]) => `${n} ${s}%`).join(", ")}`;
      box.append(small);
    }
    box.hidden = false;
    const x = pixelOf(time);
    const left = x + 16 + box.offsetWidth > plot.clientWidth ? x - 16 - box.offsetWidth : x + 16;
    box.style.transform = `translateX(${Math.max(0, left)}px)`;
    place($("pointer"), time);
  };
  const hide = () => {
    $("readout").hidden = true;
    $("pointer").style.display = "none";
  };

  const frame = $("frame");
  let pressed = null;
  frame.addEventListener("pointermove", (event) => {
    const time = times.length && axis() ? timeOf(event) : null;
    if (time === null) hide();
    else show(time);
  });
  frame.addEventListener("pointerleave", hide);
  frame.addEventListener("pointerdown", (event) => { pressed = event; }, true);
  // On the document: Plotly covers the page while it waits for a drag.
  document.addEventListener("pointerup", (event) => {
    const from = pressed;
    pressed = null;
    if (!from || event.button || Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > 5) return;
    const time = axis() ? timeOf(event) : null;
    if (time === null) return;
    const mark = markAt(time);
    seek(mark ? mark.time : time);
    show(time); // Plotly's cover had hidden it, and a finger does not hover.
  });

  // Light and dark, size, paper

  const repaint = (theme) => {
    root.dataset.theme = theme;
    return draw();
  };
  $("theme").addEventListener("click", () => repaint(root.dataset.theme === "dark" ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
    if (!printing) repaint(event.matches ? "dark" : "light");
  });
  let before = null;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme;
    printing = true;
    for (const folded of document.querySelectorAll("details")) folded.open = true;
    repaint("light");
  });
  addEventListener("afterprint", () => {
    printing = false;
    repaint(before || "light");
  });

  draw().then(() => {
    plot.on("plotly_relayout", (change) => {
      const start = change["xaxis.range[0]"];
      const end = change["xaxis.range[1]"];
      if (start !== undefined && end !== undefined) zoomTo(start, end);
    });
    plot.on("plotly_doubleclick", () => zoomTo(...whole));
    let width = frame.clientWidth;
    new ResizeObserver(() => {
      if (printing || frame.clientWidth === width) return;
      width = frame.clientWidth;
      draw();
    }).observe(frame);
    requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("reelpulse:drawn")));
  });
})();
