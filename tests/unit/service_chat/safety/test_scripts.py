"""What the floor makes of Chinese, Japanese, Arabic, Hindi and Russian: dangers are named as such, mild things are not.

Sentences are our own, written as patients write: with and without full stops, in spoken forms, simplified and
traditional, romanised. Each says the flag that must be among those found and the least acuity that may come out.
"""

# ruff: noqa: RUF001 - the letters are meant to be what they are: these are the languages that they belong to
from functools import lru_cache

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Acuity, Assertion, Flag
from tests.unit.service_chat.safety.small import packaged

NOW, EMERGENCY, URGENT = Acuity.EMERGENCY_NOW, Acuity.EMERGENCY, Acuity.URGENT

DANGERS: dict[str, list[tuple[str, Flag, Acuity]]] = {
    "zh": [
        ("我胸口像被石头压着,出冷汗,左手臂发麻", Flag.CARDIAC, NOW),
        ("胸痛得厉害,已经半个小时了", Flag.CARDIAC, EMERGENCY),
        ("我喘不上气,嘴唇发紫", Flag.BREATHING, NOW),
        ("孩子吃了花生以后嘴唇肿起来,全身起风团,喘不过气", Flag.ANAPHYLAXIS, NOW),
        ("妈妈突然嘴歪了,说话不清楚,右手抬不起来", Flag.STROKE, NOW),
        ("媽媽突然嘴歪,講話不清楚,左手沒有力氣", Flag.STROKE, NOW),
        ("突然头痛欲裂,从来没这么痛过", Flag.NEURO, EMERGENCY),
        ("他全身抽搐,口吐白沫", Flag.SEIZURE, EMERGENCY),
        ("爷爷叫不醒,没有反应", Flag.ALTERED_CONSCIOUSNESS, NOW),
        ("发高烧,脖子僵硬,怕光,身上有按压不褪色的紫色斑点", Flag.MENINGITIS, EMERGENCY),
        ("伤口感染,打寒战,神志不清,一天没小便", Flag.SEPSIS, EMERGENCY),
        ("我在化疗,今天发烧38.5度", Flag.IMMUNOCOMPROMISED_FEVER, EMERGENCY),
        ("吐血了,大便像柏油一样黑", Flag.HAEMORRHAGE, EMERGENCY),
        ("伤口血流不止,压了二十分钟还止不住血", Flag.HAEMORRHAGE, EMERGENCY),
        ("坐了十二小时飞机,小腿又肿又痛,现在呼吸困难", Flag.CLOT, EMERGENCY),
        ("从楼梯摔下来撞到头,一直吐", Flag.HEAD_INJURY, EMERGENCY),
        ("右下腹剧痛,发烧,肚子硬得像石头", Flag.ACUTE_ABDOMEN, EMERGENCY),
        ("睾丸突然剧痛", Flag.ACUTE_SCROTUM, EMERGENCY),
        ("漂白水溅到眼睛里了", Flag.EYE_EMERGENCY, EMERGENCY),
        ("一只眼睛突然看不见了", Flag.EYE_EMERGENCY, EMERGENCY),
        ("我把一整瓶安眠药都吃了", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("孩子误吞了纽扣电池", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("怀孕三十周,阴道大量出血", Flag.PREGNANCY_EMERGENCY, EMERGENCY),
        ("我怀孕了,今天感觉不到胎动", Flag.PREGNANCY_EMERGENCY, URGENT),
        ("新生儿发烧,不肯吃奶", Flag.PAEDIATRIC_DANGER, EMERGENCY),
        ("我想自杀,已经攒了安眠药", Flag.SELF_HARM, NOW),
        ("活着没意思,不想活了", Flag.SELF_HARM, URGENT),
        ("老公掐我脖子,还威胁要杀我", Flag.VIOLENCE_ABUSE, EMERGENCY),
    ],
    "ja": [
        ("胸が締め付けられるように痛くて冷や汗が出ます", Flag.CARDIAC, NOW),
        ("階段を上ると胸の真ん中が痛い", Flag.CARDIAC, EMERGENCY),
        ("息ができない、唇が紫色です", Flag.BREATHING, NOW),
        ("喘息の発作で吸入器が効かない、苦しくて話せない", Flag.BREATHING, EMERGENCY),
        ("蜂に刺されて全身に蕁麻疹、喉が締まる感じがする", Flag.ANAPHYLAXIS, NOW),
        ("父が急にろれつが回らなくなり右手に力が入らない", Flag.STROKE, NOW),
        ("母の顔の片側が下がっている", Flag.STROKE, NOW),
        ("突然の激しい頭痛、今まで経験したことのない痛み", Flag.NEURO, EMERGENCY),
        ("息子がけいれんして白目をむいている", Flag.SEIZURE, EMERGENCY),
        ("祖父が呼びかけても反応がない", Flag.ALTERED_CONSCIOUSNESS, NOW),
        ("高熱で首が硬くて曲がらない、光がまぶしい", Flag.MENINGITIS, EMERGENCY),
        ("悪寒で震えが止まらず、意識がもうろうとして尿が出ていない", Flag.SEPSIS, EMERGENCY),
        ("抗がん剤治療中ですが38.5度の熱があります", Flag.IMMUNOCOMPROMISED_FEVER, EMERGENCY),
        ("血を吐いた。便も真っ黒です", Flag.HAEMORRHAGE, EMERGENCY),
        ("切り傷の血が止まらない", Flag.HAEMORRHAGE, EMERGENCY),
        ("長時間のフライトのあと、ふくらはぎが腫れて息苦しい", Flag.CLOT, EMERGENCY),
        ("転んで頭を打ってから何度も吐いています", Flag.HEAD_INJURY, EMERGENCY),
        ("右下腹が激しく痛くて熱もある、お腹が板のように硬い", Flag.ACUTE_ABDOMEN, EMERGENCY),
        ("急に睾丸が激しく痛い", Flag.ACUTE_SCROTUM, EMERGENCY),
        ("漂白剤が目に入りました", Flag.EYE_EMERGENCY, EMERGENCY),
        ("睡眠薬を一瓶全部飲んだ", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("子どもがボタン電池を飲み込んだ", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("妊娠32週で大量に出血しています", Flag.PREGNANCY_EMERGENCY, EMERGENCY),
        ("生後3週の赤ちゃんが38.5度の熱", Flag.PAEDIATRIC_DANGER, EMERGENCY),
        ("赤ちゃんがぐったりしてミルクを飲まない", Flag.PAEDIATRIC_DANGER, EMERGENCY),
        ("死にたい。ロープを用意した", Flag.SELF_HARM, NOW),
        ("消えてしまいたい", Flag.SELF_HARM, URGENT),
        ("夫に首を絞められました", Flag.VIOLENCE_ABUSE, EMERGENCY),
    ],
    "ar": [
        ("عندي ألم شديد في صدري وعرق بارد والألم يمتد إلى ذراعي اليسرى", Flag.CARDIAC, NOW),
        ("أشعر بضغط في الصدر", Flag.CARDIAC, NOW),
        ("لا أستطيع التنفس وشفتاي زرقاوان", Flag.BREATHING, NOW),
        ("مش قادر اتنفس خالص", Flag.BREATHING, EMERGENCY),
        ("أكلت فول سوداني وتورم لساني وأشعر أن حلقي يضيق", Flag.ANAPHYLAXIS, NOW),
        ("أبي وجهه مائل وكلامه غير واضح ولا يستطيع رفع ذراعه اليمنى", Flag.STROKE, NOW),
        ("امي وشها اعوج فجأة ومش قادرة تتكلم", Flag.STROKE, NOW),
        ("صداع مفاجئ شديد، أسوأ صداع في حياتي", Flag.NEURO, EMERGENCY),
        ("ابني يتشنج الآن وعيناه انقلبت", Flag.SEIZURE, EMERGENCY),
        ("جدي فاقد الوعي ولا يستجيب", Flag.ALTERED_CONSCIOUSNESS, NOW),
        ("حرارة مرتفعة وتيبس في الرقبة والضوء يؤلم عيني", Flag.MENINGITIS, EMERGENCY),
        ("التهاب في الجرح مع قشعريرة وتشوش ولم يتبول منذ الصباح", Flag.SEPSIS, EMERGENCY),
        ("أتعالج بالكيماوي وحرارتي 38.7", Flag.IMMUNOCOMPROMISED_FEVER, EMERGENCY),
        ("أتقيأ دما وبرازي أسود", Flag.HAEMORRHAGE, EMERGENCY),
        ("النزيف لا يتوقف من الجرح", Flag.HAEMORRHAGE, EMERGENCY),
        ("بعد سفر طويل ساقي متورمة وعندي ضيق في التنفس", Flag.CLOT, EMERGENCY),
        ("سقط على رأسه وهو يتقيأ منذ ساعة", Flag.HEAD_INJURY, EMERGENCY),
        ("ألم شديد في أسفل البطن اليمين وبطني قاسي مع حرارة", Flag.ACUTE_ABDOMEN, EMERGENCY),
        ("ألم مفاجئ شديد في الخصية", Flag.ACUTE_SCROTUM, EMERGENCY),
        ("دخل كلور في عيني", Flag.EYE_EMERGENCY, EMERGENCY),
        ("تناولت علبة كاملة من حبوب البنادول", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("ابني بلع بطارية صغيرة", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("أنا حامل وعندي نزيف شديد", Flag.PREGNANCY_EMERGENCY, EMERGENCY),
        ("أنا حامل ولا أشعر بحركة الجنين منذ أمس", Flag.PREGNANCY_EMERGENCY, URGENT),
        ("رضيع عمره اسبوعين عنده حمى ويرفض الرضاعة", Flag.PAEDIATRIC_DANGER, EMERGENCY),
        ("أريد أن أقتل نفسي وجمعت حبوب كثيرة", Flag.SELF_HARM, NOW),
        ("ما بدي عيش، تعبت من الحياة", Flag.SELF_HARM, URGENT),
        ("زوجي خنقني ويهددني بالقتل", Flag.VIOLENCE_ABUSE, EMERGENCY),
    ],
    "hi": [
        ("मेरे सीने में बहुत तेज़ दर्द है और पसीना आ रहा है", Flag.CARDIAC, NOW),
        ("छाती पर दबाव जैसा लग रहा है", Flag.CARDIAC, NOW),
        ("सीने की जकड़न बाएं हाथ तक जा रही है", Flag.CARDIAC, NOW),
        ("साँस नहीं ले पा रहा हूँ, होंठ नीले पड़ गए हैं", Flag.BREATHING, NOW),
        ("दमे का दौरा पड़ा है, इनहेलर से आराम नहीं मिल रहा", Flag.BREATHING, EMERGENCY),
        ("मूंगफली खाने के बाद होंठ सूज गए और सांस लेने में तकलीफ है", Flag.ANAPHYLAXIS, NOW),
        ("पिताजी का मुंह टेढ़ा हो गया है और वे साफ बोल नहीं पा रहे", Flag.STROKE, NOW),
        ("उनका बायां हाथ अचानक सुन्न हो गया और उठ नहीं रहा", Flag.STROKE, EMERGENCY),
        ("अचानक बहुत तेज सिरदर्द, ऐसा पहले कभी नहीं हुआ", Flag.NEURO, EMERGENCY),
        ("बच्चे को दौरा पड़ रहा है, मुंह से झाग आ रहा है", Flag.SEIZURE, EMERGENCY),
        ("दादाजी बेहोश हैं और जवाब नहीं दे रहे", Flag.ALTERED_CONSCIOUSNESS, NOW),
        ("तेज बुखार है, गर्दन अकड़ गई है और रोशनी चुभती है", Flag.MENINGITIS, EMERGENCY),
        ("घाव में इन्फेक्शन है, कंपकंपी के साथ बुखार और वे बहकी बातें कर रहे हैं", Flag.SEPSIS, EMERGENCY),
        ("कीमो चल रही है और 38.6 बुखार है", Flag.IMMUNOCOMPROMISED_FEVER, EMERGENCY),
        ("खून की उल्टी हुई और मल काला है", Flag.HAEMORRHAGE, EMERGENCY),
        ("चोट से खून बंद नहीं हो रहा", Flag.HAEMORRHAGE, EMERGENCY),
        ("लंबी फ्लाइट के बाद पिंडली में सूजन है और सांस फूल रही है", Flag.CLOT, EMERGENCY),
        ("सीढ़ियों से गिरकर सिर में चोट लगी, अब उल्टियां हो रही हैं", Flag.HEAD_INJURY, EMERGENCY),
        ("पेट में दाईं तरफ नीचे बहुत तेज दर्द, बुखार और पेट सख्त है", Flag.ACUTE_ABDOMEN, EMERGENCY),
        ("अंडकोष में अचानक तेज दर्द", Flag.ACUTE_SCROTUM, EMERGENCY),
        ("आंख में तेज़ाब चला गया", Flag.EYE_EMERGENCY, EMERGENCY),
        ("मैंने नींद की बहुत सारी गोलियां खा ली हैं", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("बच्चे ने फिनाइल पी लिया", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("गर्भवती हूं और बहुत खून बह रहा है", Flag.PREGNANCY_EMERGENCY, EMERGENCY),
        ("नवजात को बुखार है और दूध नहीं पी रहा", Flag.PAEDIATRIC_DANGER, EMERGENCY),
        ("मैं मरना चाहता हूं, रस्सी तैयार है", Flag.SELF_HARM, NOW),
        ("आत्महत्या के विचार आ रहे हैं", Flag.SELF_HARM, EMERGENCY),
        ("पति रोज मुझे मारता है और जान से मारने की धमकी देता है", Flag.VIOLENCE_ABUSE, EMERGENCY),
    ],
    "ru": [
        ("Сильно давит за грудиной, холодный пот, отдаёт в левую руку", Flag.CARDIAC, NOW),
        ("Болит сердце уже час", Flag.CARDIAC, EMERGENCY),
        ("Не могу дышать, губы посинели", Flag.BREATHING, NOW),
        ("Приступ астмы, ингалятор не помогает", Flag.BREATHING, EMERGENCY),
        ("Ужалила пчела, опухли губы и язык, трудно дышать", Flag.ANAPHYLAXIS, NOW),
        ("У папы перекосило лицо и речь невнятная", Flag.STROKE, NOW),
        ("Вдруг отнялась правая рука, потом прошло через 10 минут", Flag.STROKE, EMERGENCY),
        ("Внезапно самая сильная головная боль в жизни", Flag.NEURO, EMERGENCY),
        ("У сына судороги, глаза закатились", Flag.SEIZURE, EMERGENCY),
        ("Дедушка без сознания, не реагирует", Flag.ALTERED_CONSCIOUSNESS, NOW),
        ("Высокая температура, шея не гнётся, свет режет глаза", Flag.MENINGITIS, EMERGENCY),
        ("Озноб, путается в словах, не мочился весь день, рана гноится", Flag.SEPSIS, EMERGENCY),
        ("После химиотерапии температура 38,6", Flag.IMMUNOCOMPROMISED_FEVER, EMERGENCY),
        ("Рвота с кровью и чёрный стул", Flag.HAEMORRHAGE, EMERGENCY),
        ("Кровь из раны не останавливается", Flag.HAEMORRHAGE, EMERGENCY),
        ("После долгого перелёта опухла икра и появилась одышка", Flag.CLOT, EMERGENCY),
        ("Упал с лестницы, ударился головой, теперь рвёт", Flag.HEAD_INJURY, EMERGENCY),
        ("Сильная боль внизу живота справа, температура, живот твёрдый", Flag.ACUTE_ABDOMEN, EMERGENCY),
        ("Внезапная сильная боль в яичке", Flag.ACUTE_SCROTUM, EMERGENCY),
        ("В глаз попала щёлочь", Flag.EYE_EMERGENCY, EMERGENCY),
        ("Выпила целую упаковку снотворного", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("Ребёнок проглотил батарейку", Flag.POISONING_OVERDOSE, EMERGENCY),
        ("Беременность 30 недель, сильное кровотечение", Flag.PREGNANCY_EMERGENCY, EMERGENCY),
        ("Беременна, ребёнок с утра не шевелится", Flag.PREGNANCY_EMERGENCY, URGENT),
        ("Новорождённый горячий, температура 38,5, не берёт грудь", Flag.PAEDIATRIC_DANGER, EMERGENCY),
        ("Хочу умереть, накопил таблетки", Flag.SELF_HARM, NOW),
        ("Не вижу смысла жить", Flag.SELF_HARM, URGENT),
        ("Муж душил меня и угрожает убить", Flag.VIOLENCE_ABUSE, EMERGENCY),
    ],
}

MILD: dict[str, list[str]] = {
    "zh": [
        "感冒了,流鼻涕,打喷嚏",
        "没有发烧,没有胸痛,只是有点流鼻涕",
        "手指被纸割了一下",
        "笑死我了,这个医生真有意思",
        "我想预约下周的复诊",
        "我的验血结果出来了吗",
        "脸上长了几颗青春痘",
        "轻微头痛,没有发烧,也没有呕吐",
        "没有胸痛、呼吸困难或者出冷汗,只是喉咙有点痛",
    ],
    "ja": [
        "風邪で鼻水とくしゃみが出ます",
        "胸の痛みはありません。少し咳が出るだけです",
        "紙で指を切りました",
        "死ぬほど忙しいけど元気です",
        "次の予約を変更したいです",
        "血液検査の結果を教えてください",
        "軽い頭痛があります。熱はありません",
        "花粉症で目がかゆいです",
        "息苦しさはありません。鼻づまりだけです",
    ],
    "ar": [
        "عندي زكام وعطس خفيف",
        "لا يوجد ألم في الصدر ولا ضيق في التنفس، فقط رشح",
        "جرحت إصبعي بورقة",
        "بموت من الضحك على هذا الفيديو",
        "أريد حجز موعد الأسبوع القادم",
        "متى تظهر نتائج التحاليل؟",
        "عندي حب الشباب في وجهي",
        "صداع خفيف بدون حمى",
        "أحتاج تجديد الوصفة",
    ],
    "hi": [
        "मुझे सर्दी जुकाम है और नाक बह रही है",
        "सीने में दर्द नहीं है, सिर्फ हल्की खांसी है",
        "कागज से उंगली कट गई",
        "हंसते हंसते पेट दुख गया",
        "मुझे अगले हफ्ते का अपॉइंटमेंट चाहिए",
        "मेरी ब्लड रिपोर्ट कब आएगी",
        "चेहरे पर मुंहासे हैं",
        "bukhar nahi hai bas halka sardi hai",
        "हल्का सिरदर्द है, बुखार नहीं है",
    ],
    "ru": [
        "Простуда, насморк и чихание",
        "Боли в груди нет, одышки нет, только небольшой насморк",
        "Порезал палец бумагой",
        "Умираю со смеху от этого фильма",
        "Хочу записаться на приём к врачу на следующей неделе",
        "Готовы ли результаты анализов?",
        "На лице акне",
        "Лёгкая головная боль, температуры нет",
        "Нужно продлить рецепт",
    ],
}


@lru_cache(maxsize=1)
def ruleset() -> Ruleset:
    return packaged()


@pytest.mark.parametrize(
    ("text", "flag", "least"),
    [
        pytest.param(*case, id=f"{language}-{case[1]}-{n}")
        for language, cases in DANGERS.items()
        for n, case in enumerate(cases)
    ],
)
def test_a_danger_is_named_in_the_language_it_is_told_in(text: str, flag: Flag, least: Acuity) -> None:
    floor = ruleset().assess(text)
    assert flag in {found.flag for found in floor.flags}
    assert floor.acuity >= least


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=f"{language}-{n}") for language, texts in MILD.items() for n, text in enumerate(texts)],
)
def test_mild_and_denied_things_stay_below_urgent(text: str) -> None:
    assert ruleset().assess(text).acuity < URGENT


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("seene me bahut dard ho raha hai aur pasina aa raha hai", Flag.CARDIAC),
        ("saans nahi le pa raha hu", Flag.BREATHING),
        ("main marna chahti hu", Flag.SELF_HARM),
        ("bacche ne harpic pi liya", Flag.POISONING_OVERDOSE),
    ],
)
def test_hindi_in_latin_letters_is_read_where_the_language_is_known(text: str, flag: Flag) -> None:
    floor = ruleset().explain(text, language="hi").floor
    assert flag in {found.flag for found in floor.flags}
    assert floor.acuity >= EMERGENCY


@pytest.mark.parametrize("language", ["zh", "ja", "ar", "hi", "ru"])
def test_the_language_of_most_of_its_sentences_is_told(language: str) -> None:
    own = [text for text, _, _ in DANGERS[language] if not text.isascii()]
    assert all(ruleset().assess(text).language == language for text in own)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("没有胸痛", "chest_site"),
        ("沒有發燒", "fever"),
        ("熱はありません", "fever"),
        ("لا يوجد نزيف", "bleeding"),
        ("बुखार नहीं है", "fever"),
        ("Температуры нет", "fever"),
    ],
)
def test_a_denial_is_understood(text: str, concept: str) -> None:
    found = {hit.concept: hit.assertion for hit in ruleset().explain(text).findings.hits}
    assert found[concept] is Assertion.NEGATED


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("呼吸不了", "cant_breathe"),
        ("疼痛没有缓解,胸痛", "chest_site"),
        ("息ができない", "cant_breathe"),
        ("痛みが止まらない", "pain"),
        ("لا استطيع التنفس", "cant_breathe"),
        ("النزيف لا يتوقف", "bleeding"),
        ("सांस नहीं आ रही", "cant_breathe"),
        ("दर्द कम नहीं हो रहा", "pain"),
        ("Не могу дышать", "cant_breathe"),
        ("Боль не проходит", "pain"),
    ],
)
def test_what_is_said_with_a_no_and_is_a_symptom_stays_present(text: str, concept: str) -> None:
    found = {hit.concept: hit.assertion for hit in ruleset().explain(text).findings.hits}
    assert found[concept] is Assertion.PRESENT
