"use strict";

const TEXTS = {
  en: {
    title: "Which genre is it?",
    leadPair: "Drop two consecutive frames of a film, or choose their files.",
    leadSingle: "Drop a frame of a film, or two that follow one another.",
    first: "First frame", second: "The next frame", optional: "The next frame (may be left out)",
    hint: "Drop a picture here, or click to choose one",
    noPreview: "The browser cannot show this picture",
    swap: "Swap the two", clear: "Clear", result: "Shares",
    waitingPair: "Both pictures are needed.", waitingSingle: "No picture yet.",
    oneMore: "One more picture is needed.", working: "Looking…",
    tooLarge: "These files are too large: give pictures of %s MB together at most.",
    notPicture: "%s is not a picture.",
    tooMany: "Give two pictures at most, not %s.",
    gone: "The program no longer answers: start “reelpulse genre serve” again.",
    genres: {
      action: "Action", horror: "Horror", romance: "Romance", animation_2d: "2D animation",
      animation_3d: "3D animation", sf: "Science fiction",
    },
  },
  ko: {
    title: "어떤 장르일까요?",
    leadPair: "영화에서 이어지는 두 프레임을 끌어다 놓거나 파일을 고르세요.",
    leadSingle: "영화의 프레임 하나, 또는 이어지는 두 프레임을 끌어다 놓으세요.",
    first: "첫 프레임", second: "다음 프레임", optional: "다음 프레임 (없어도 됩니다)",
    hint: "그림을 여기에 놓거나 눌러서 고르세요",
    noPreview: "브라우저가 보여 줄 수 없는 그림입니다",
    swap: "서로 바꾸기", clear: "지우기", result: "장르별 비율",
    waitingPair: "그림 두 장이 필요합니다.", waitingSingle: "아직 그림이 없습니다.",
    oneMore: "그림이 한 장 더 필요합니다.", working: "보는 중…",
    tooLarge: "파일이 너무 큽니다: 모두 합쳐 %s MB까지 됩니다.",
    notPicture: "%s: 그림 파일이 아닙니다.",
    tooMany: "그림은 두 장까지입니다 (%s장을 주셨습니다).",
    gone: "프로그램이 응답하지 않습니다: “reelpulse genre serve”를 다시 실행하세요.",
    genres: {
      action: "액션", horror: "공포", romance: "로맨스", animation_2d: "2D 애니메이션",
      animation_3d: "3D 애니메이션", sf: "SF",
    },
  },
};

const language = navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
const texts = TEXTS[language];
const byId = (id) => document.getElementById(id);
const frames = [...document.querySelectorAll(".frame")];
const files = [null, null];
let about = null;
let asked = 0;

const said = (text, value) => text.replace("%s", value);

function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = !text;
}

function showFile(place) {
  const file = files[place];
  const drop = frames[place].querySelector(".drop");
  const image = drop.querySelector("img");
  const hint = drop.querySelector(".hint");
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  image.hidden = true;
  image.alt = file ? file.name : "";
  hint.textContent = texts.hint;
  if (file) {
    image.onload = () => { image.hidden = false; };
    image.onerror = () => { if (files[place] === file) hint.textContent = texts.noPreview; };
    image.src = URL.createObjectURL(file);
  }
  drop.classList.toggle("full", Boolean(file));
  frames[place].querySelector(".name").textContent = file ? file.name : "";
}

function setFiles(place, given) {
  const chosen = [...given];
  if (!chosen.length) return;
  if (chosen.length > 2) return showProblem(said(texts.tooMany, chosen.length));
  const other = chosen.find((file) => file.type && !file.type.startsWith("image/"));
  if (other) return showProblem(said(texts.notPicture, other.name));
  if (chosen.length === 2) {
    chosen.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
    [files[0], files[1]] = chosen;
  } else {
    files[place] = chosen[0];
  }
  changed();
}

function changed() {
  files.forEach((_, place) => showFile(place));
  byId("swap").disabled = !(files[0] && files[1]);
  byId("clear").disabled = !(files[0] || files[1]);
  byId("shares").hidden = true;
  showProblem("");
  predict();
}

function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1] || "");
    reader.onerror = () => reject(new Error(`${file.name}: ${reader.error.message}`));
    reader.readAsDataURL(file);
  });
}

async function predict() {
  const turn = ++asked;
  const given = files.filter(Boolean);
  const status = byId("status");
  status.textContent = "";
  if (!about) return;
  if (!given.length) {
    status.textContent = about.needs_pair ? texts.waitingPair : texts.waitingSingle;
    return;
  }
  if (about.needs_pair && given.length < 2) {
    status.textContent = texts.oneMore;
    return;
  }
  const most = Math.floor((about.most_bytes - 4096) * 0.75);
  if (given.reduce((sum, file) => sum + file.size, 0) > most) {
    showProblem(said(texts.tooLarge, Math.floor(most / 1e6)));
    return;
  }
  status.textContent = texts.working;
  let answer;
  try {
    const pictures = await Promise.all(
      given.map(async (file) => ({ name: file.name, data: await encoded(file) })),
    );
    const reply = await fetch("/predict", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ pictures }),
    });
    answer = await reply.json();
  } catch (error) {
    const gone = error instanceof TypeError || error instanceof SyntaxError;
    answer = { error: gone ? texts.gone : error.message };
  }
  if (turn !== asked) return;
  status.textContent = "";
  if (answer.error) showProblem(answer.error);
  else showShares(answer);
}

function showShares({ label, probabilities }) {
  const list = byId("shares");
  const percent = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
  const rows = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  list.replaceChildren(...rows.map(([name, share]) => {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    const bar = document.createElement("div");
    const fill = document.createElement("i");
    const number = document.createElement("span");
    row.classList.toggle("best", name === label);
    row.dataset.genre = name;
    term.textContent = texts.genres[name] || name;
    bar.className = "bar";
    bar.setAttribute("aria-hidden", "true");
    fill.style.width = `${100 * share}%`;
    number.className = "share";
    number.textContent = percent.format(share);
    bar.append(fill);
    value.append(bar, number);
    row.append(term, value);
    return row;
  }));
  list.hidden = false;
}

function listen() {
  frames.forEach((frame, place) => {
    const drop = frame.querySelector(".drop");
    const input = frame.querySelector("input");
    input.addEventListener("change", () => {
      setFiles(place, input.files);
      input.value = "";  // so that the same file can be chosen again
    });
    drop.addEventListener("dragover", () => drop.classList.add("over"));
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  });
  // Beside the fields too: a browser would leave the page for the picture.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    frames.forEach((frame) => frame.querySelector(".drop").classList.remove("over"));
    const frame = event.target instanceof Element ? event.target.closest(".frame") : null;
    const free = files[0] && !files[1] ? 1 : 0;
    setFiles(frame ? Number(frame.dataset.place) : free, event.dataTransfer.files);
  });
  byId("swap").addEventListener("click", () => {
    files.reverse();
    changed();
  });
  byId("clear").addEventListener("click", () => {
    files.fill(null);
    changed();
  });
}

async function start() {
  document.documentElement.lang = language;
  document.querySelectorAll("[data-text]").forEach((item) => {
    item.textContent = texts[item.dataset.text];
  });
  byId("head-0").textContent = texts.first;
  byId("head-1").textContent = texts.second;
  listen();
  changed();
  try {
    about = await (await fetch("/model.json")).json();
  } catch {
    return showProblem(texts.gone);
  }
  byId("lead").textContent = about.needs_pair ? texts.leadPair : texts.leadSingle;
  if (!about.needs_pair) byId("head-1").textContent = texts.optional;
  byId("about").textContent =
    [about.network, about.model, `reelpulse ${about.reelpulse}`].filter(Boolean).join(" · ");
  document.body.dataset.ready = "yes";
  predict();
}

start();
