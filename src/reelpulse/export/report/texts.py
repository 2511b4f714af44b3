"""The report's words, one table a language."""

from __future__ import annotations

import os

from reelpulse.timeline import Reason

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Report",
        "theme": "Light or dark",
        "duration": "Duration",
        "face_seen": "Face measured",
        "moments": "Moments",
        "turns": "Turning points",
        "of_ticks": "{ticks} ticks",
        "strongest": "strongest {score}",
        "person_seen": "Follows the person seen most",
        "person_photo": "Follows the person like the photo, similarity {similarity}",
        "person_region": "Follows the face in the region",
        "person_nobody": "Nobody was followed",
        "person_none": "Only the sound was measured",
        "others": "{others} more on screen",
        "analysed": "analysed {date}",
        "warnings": "Good to know",
        "player": "Player",
        "no_video": "The video is not where it was measured, so the page has neither player nor"
        " pictures. All else is complete.",
        "clips_only": "A browser cannot be relied on to play this video here, so the page carries a"
        " small clip of each moment.",
        "no_clips": "A browser may not play this video, and the page carries no clips.",
        "some_clips": "Some moments have no clip of their own.",
        "link_broken": "The video cannot be played from here. It was expected at:",
        "no_clip_here": "No clip of this time: choose a moment.",
        "clip_of": "Clip of moment {rank}",
        "timeline": "Timeline",
        "timeline_help": "Click to go there; drag across to zoom in.",
        "timeline_label": "Tension, valence, arousal and loudness over time",
        "zoom_in": "Zoom in",
        "zoom_out": "Zoom out",
        "zoom_all": "Show all",
        "all": "All",
        "tension": "Tension",
        "valence": "Valence",
        "arousal": "Arousal",
        "loudness": "Loudness",
        "expression": "Expression",
        "together": "Face and sound at once",
        "laughter": "Laughter",
        "laughter_along": "Laughter (the face laughs along)",
        "laughter_alone": "Laughter (the face does not laugh)",
        "face": "Face",
        "leading": "Leading emotion",
        "key_moments": "Moment",
        "key_no_face": "No face",
        "moment_n": "Moment {rank}",
        "nothing_measured": "not measured",
        "score": "Score",
        "clip": "Clip {start} – {end}",
        "play_moment": "Play moment {rank}, {start} to {end}",
        "no_moments": "Nothing moves far enough from the usual to be a moment. "
        "`reelpulse detect --min-score 0.05` asks for less.",
        "emotions": "Emotions",
        "emotions_label": "Share of the time that each emotion leads",
        "emotions_all": "A face was measured all the time.",
        "emotions_missing": "For {share} of the time no face was measured.",
        "emotions_none": "No face was measured.",
        "not_measured": "Not measured",
        "matrix": "From one to the other",
        "matrix_label": "How often each emotion followed each other one",
        "matrix_help": "Rows: before. Columns: after.",
        "matrix_hover": "{before} → {after}: {count} ({share} of those from {before})",
        "turns_top": "The tensest of {count}, in order of time.",
        "turns_all": "All of them, in order of time.",
        "model_score": "Score of {model}",
        "timeline_label_model": "Score of {model}, valence, arousal and loudness over time",
        "no_moments_model": "{model} finds nothing in this video at the threshold asked for.",
        "turns_top_model": "Those of {count} where {model} scores highest, in order of time.",
        "pattern": "Pattern over time",
        "motion": "Motion",
        "speech": "Speech",
        "no_turns": "No emotion took over from another for a second or longer.",
        "made_with": "Settings and models",
        "models": "Models",
        "analysis": "Measuring",
        "finding": "Finding moments",
        "video": "Video",
        "yes": "yes",
        "no": "no",
        "privacy": "This page stays with you: it loads nothing from the network and sends nothing."
        " It shows pictures of a person; think of them before you pass it on. Emotions are what"
        " annotators read in faces, not what people feel.",
        "made_by": "Made with reelpulse {version}",
        "noscript": "The plots and the player need JavaScript.",
        "stronger": "stronger {emotion}",
        "anger": "anger",
        "contempt": "contempt",
        "disgust": "disgust",
        "fear": "fear",
        "happiness": "happiness",
        "neutral": "neutral",
        "sadness": "sadness",
        "surprise": "surprise",
    },
    "ko": {
        "title": "분석 보고서",
        "theme": "밝게 / 어둡게",
        "duration": "길이",
        "face_seen": "얼굴 측정",
        "moments": "순간",
        "turns": "전환점",
        "of_ticks": "측정 {ticks}회",
        "strongest": "최고 점수 {score}",
        "person_seen": "가장 오래 나온 사람을 따라갔습니다",
        "person_photo": "사진과 닮은 사람을 따라갔습니다 (유사도 {similarity})",
        "person_region": "지정한 영역의 얼굴을 따라갔습니다",
        "person_nobody": "따라간 사람이 없습니다",
        "person_none": "소리만 측정했습니다",
        "others": "화면에 {others}명 더 있음",
        "analysed": "{date} 분석",
        "warnings": "알아 두세요",
        "player": "재생기",
        "no_video": "측정한 영상이 제자리에 없어 재생기와 사진이 빠졌습니다. 나머지 내용은 그대로"
        "입니다.",
        "clips_only": "이 영상은 브라우저에서 재생되지 않을 수 있어 순간마다 짧은 클립을"
        " 넣었습니다.",
        "no_clips": "이 영상은 브라우저에서 재생되지 않을 수 있으며, 넣어 둔 클립도 없습니다.",
        "some_clips": "클립이 없는 순간도 있습니다.",
        "link_broken": "여기서는 영상을 재생할 수 없습니다. 영상이 있어야 할 위치:",
        "no_clip_here": "이 시각의 클립은 없습니다. 순간을 골라 주세요.",
        "clip_of": "{rank}번 순간의 클립",
        "timeline": "타임라인",
        "timeline_help": "클릭하면 그 시각으로 이동하고, 가로로 끌면 확대됩니다.",
        "timeline_label": "시간에 따른 긴장도, 정서가, 각성도, 음량",
        "zoom_in": "확대",
        "zoom_out": "축소",
        "zoom_all": "전체 보기",
        "all": "전체",
        "tension": "긴장도",
        "valence": "정서가",
        "arousal": "각성도",
        "loudness": "음량",
        "expression": "표정",
        "together": "얼굴과 소리가 함께",
        "laughter": "웃음소리",
        "laughter_along": "웃음소리(얼굴도 함께 웃음)",
        "laughter_alone": "웃음소리(얼굴은 웃지 않음)",
        "face": "얼굴",
        "leading": "주된 감정",
        "key_moments": "순간",
        "key_no_face": "얼굴 없음",
        "moment_n": "순간 {rank}",
        "nothing_measured": "측정되지 않음",
        "score": "점수",
        "clip": "클립 {start} – {end}",
        "play_moment": "{rank}번 순간 재생, {start}부터 {end}까지",
        "no_moments": "평소와 뚜렷하게 다른 순간이 없습니다. "
        "`reelpulse detect --min-score 0.05`로 기준을 낮출 수 있습니다.",
        "emotions": "감정 비율",
        "emotions_label": "감정별로 가장 강했던 시간의 비율",
        "emotions_all": "처음부터 끝까지 얼굴이 측정되었습니다.",
        "emotions_missing": "전체 시간의 {share}에서는 얼굴이 측정되지 않았습니다.",
        "emotions_none": "측정된 얼굴이 없습니다.",
        "not_measured": "측정 안 됨",
        "matrix": "감정의 흐름",
        "matrix_label": "한 감정에서 다른 감정으로 바뀐 횟수",
        "matrix_help": "가로줄은 바뀌기 전, 세로줄은 바뀐 뒤의 감정입니다.",
        "matrix_hover": "{before} → {after}: {count}회 ({before}에서 바뀐 것 중 {share})",
        "turns_top": "{count}개 중 긴장도가 높은 것을 시간순으로 보여 줍니다.",
        "turns_all": "모두 시간순으로 보여 줍니다.",
        "model_score": "{model} 점수",
        "timeline_label_model": "시간에 따른 {model} 점수, 정서가, 각성도, 음량",
        "no_moments_model": "이 기준에서는 {model} 모델이 찾은 순간이 없습니다.",
        "turns_top_model": "{count}개 중 {model} 점수가 높은 것을 시간순으로 보여 줍니다.",
        "pattern": "시간에 따른 흐름",
        "motion": "움직임",
        "speech": "말소리",
        "no_turns": "1초 넘게 이어진 감정 변화가 없습니다.",
        "made_with": "설정과 모델",
        "models": "모델",
        "analysis": "측정 설정",
        "finding": "순간 찾기 설정",
        "video": "영상",
        "yes": "예",
        "no": "아니요",
        "privacy": "이 페이지는 네트워크에서 아무것도 불러오지 않고, 어디에도 보내지 않습니다."
        " 사람의 모습이 담겨 있으니 다른 사람에게 건네기 전에 한 번 더 생각해 주세요. 여기의 감정은"
        " 얼굴에서 읽은 것이며, 그 사람이 실제로 느낀 감정과 다를 수 있습니다.",
        "made_by": "reelpulse {version}(으)로 만듦",
        "noscript": "그래프와 재생기를 쓰려면 JavaScript가 필요합니다.",
        "stronger": "더 강해진 {emotion}",
        "anger": "분노",
        "contempt": "경멸",
        "disgust": "혐오",
        "fear": "두려움",
        "happiness": "행복",
        "neutral": "무표정",
        "sadness": "슬픔",
        "surprise": "놀람",
    },
}


_MOST_LETTERS = 40
"""Of a model's name that a page shows."""

_BY_MODEL = {
    "tension": "model_score",
    "timeline_label": "timeline_label_model",
    "no_moments": "no_moments_model",
    "turns_top": "turns_top_model",
}
"""What is said of tension, and what of a model's score instead."""


def texts_of(lang: str, model: str | None) -> dict[str, str]:
    """The words of a page.

    Parameters
    ----------
    lang : str
        A key of `TEXTS`.
    model : str or None
        The name of the model that found the moments; None where tension did.
    """
    texts = TEXTS[lang]
    if model is None:
        return texts
    name = model if len(model) <= _MOST_LETTERS else f"{model[: _MOST_LETTERS - 1]}…"
    said = {key: texts[other].replace("{model}", name) for key, other in _BY_MODEL.items()}
    return {**texts, **said}


def locale_language() -> str:
    """Take ``ko`` or ``en`` from the first that is set: ``LC_ALL``, ``LC_MESSAGES``, ``LANG``."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ko" if value.lower().startswith("ko") else "en"
    return "en"


def reason_text(reason: Reason, lang: str) -> str:
    """A reason in a language; its own English text where its values do not tell it.

    Parameters
    ----------
    reason : Reason
    lang : str
        A key of `TEXTS`.
    """
    texts, facts = TEXTS[lang], reason.facts
    name = texts.get(reason.part, reason.part)
    match facts:
        case _ if reason.part in ("together", "pattern") or reason.text == reason.part:
            return name
        case {"along": str() as along}:
            return texts["laughter_along" if along == "yes" else "laughter_alone"]
        case _ if reason.part == "laughter" and "change" not in facts:
            return name
        case {"ratio": int() | float() as ratio}:
            return f"{name} ×{ratio:.0f}" if ratio >= 3 else f"{name} ×{ratio:.1f}"
        case {"change": int() | float() as change}:
            return f"{name} {change:+.1f}".replace("-", "−")
        case {"before": str() as before, "after": str() as after} if after:
            now = texts.get(after, after)
            if not before or before == after:
                return texts["stronger"].format(emotion=now)
            return f"{texts.get(before, before)} → {now}"
    return reason.text
