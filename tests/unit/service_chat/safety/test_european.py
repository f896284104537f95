"""What people write in Spanish, French, German, Portuguese, Italian and Polish reaches the rules.

Sentences of our own. Each names the danger and the least acuity; the mild ones must stay below a doctor's day. Regions,
registers and missing accents are mixed on purpose, as people mix them.
"""

import pytest

from service_chat.safety.assess import Ruleset
from service_chat.safety.values import Acuity, Flag, RecordFacts
from tests.unit.service_chat.safety.small import packaged

NOW, ED, SOON = Acuity.EMERGENCY_NOW, Acuity.EMERGENCY, Acuity.URGENT

GRAVE: dict[str, tuple[tuple[str, str, Acuity], ...]] = {
    "es": (
        ("me duele el pecho y me corre por el brazo izquierdo, estoy sudando frio", "cardiac", ED),
        ("siento una opresión en el pecho como si tuviera una losa encima", "cardiac", ED),
        ("no puedo respirar", "breathing", ED),
        ("mi hijo se está ahogando, tiene los labios morados", "breathing", ED),
        ("a mi madre se le ha torcido la boca y no puede hablar bien", "stroke", ED),
        ("de repente no siento el brazo derecho y se me traba la lengua", "stroke", ED),
        ("tengo el peor dolor de cabeza de mi vida, empezó de golpe", "neuro", ED),
        ("mi marido está convulsionando en el suelo", "seizure", ED),
        ("mi abuela no responde, está inconsciente", "altered_consciousness", ED),
        ("comió cacahuetes y se le hincha la cara, le cuesta respirar", "anaphylaxis", ED),
        ("fiebre alta, cuello rígido y le molesta la luz", "meningitis", ED),
        ("tiene fiebre y unas manchas moradas que no desaparecen al apretar con un vaso", "meningitis", ED),
        ("vomito sangre desde esta mañana", "haemorrhage", ED),
        ("tengo las heces negras como alquitrán y estoy mareada", "haemorrhage", ED),
        ("me corté y no para de sangrar, sale la sangre a chorro", "haemorrhage", ED),
        ("me he tomado un puñado de paracetamol", "poisoning_overdose", ED),
        ("mi niña ha bebido lejía", "poisoning_overdose", ED),
        ("me quiero matar, ya tengo las pastillas guardadas", "self_harm", ED),
        ("no quiero seguir viviendo", "self_harm", SOON),
        ("estoy embarazada de 34 semanas y el bebé no se mueve desde ayer", "pregnancy_emergency", SOON),
        ("embarazada de 8 semanas con sangrado y mucho dolor de barriga", "pregnancy_emergency", ED),
        ("mi bebé de 3 semanas tiene 38,7 de fiebre", "paediatric_danger", ED),
        ("dolor muy fuerte en un testículo desde hace dos horas", "acute_scrotum", ED),
        ("veo como una cortina negra en un ojo", "eye_emergency", SOON),
        ("mi pareja me pega y me ha puesto las manos en el cuello", "violence_abuse", SOON),
        ("se cayó de la escalera, se golpeó la cabeza y está vomitando", "head_injury", ED),
    ),
    "fr": (
        ("j'ai mal à la poitrine et ça descend dans le bras gauche", "cardiac", ED),
        ("une pression dans la poitrine comme un étau, je transpire", "cardiac", ED),
        ("je n'arrive pas à respirer", "breathing", ED),
        ("j'arrive plus à respirer, mes lèvres sont bleues", "breathing", ED),
        ("mon père a la bouche qui tombe d'un côté et il parle bizarrement", "stroke", ED),
        ("je ne sens plus mon bras gauche d'un coup et je cherche mes mots", "stroke", ED),
        ("mal de tête brutal, le pire de ma vie", "neuro", ED),
        ("ma fille fait des convulsions", "seizure", ED),
        ("il ne répond plus, il est inconscient", "altered_consciousness", ED),
        ("piqué par une guêpe, ma gorge gonfle et j'ai du mal à respirer", "anaphylaxis", ED),
        ("forte fièvre, nuque raide et la lumière me fait mal", "meningitis", ED),
        ("il a de la fièvre et des taches violettes qui ne s'effacent pas sous le verre", "meningitis", ED),
        ("je vomis du sang", "haemorrhage", ED),
        ("mes selles sont noires comme du goudron", "haemorrhage", SOON),
        ("je me suis coupé et ça n'arrête pas de saigner", "haemorrhage", ED),
        ("j'ai avalé toute la boîte de doliprane", "poisoning_overdose", ED),
        ("mon fils a bu de la javel", "poisoning_overdose", ED),
        ("je veux mourir, j'ai acheté une corde", "self_harm", ED),
        ("je ne veux plus vivre", "self_harm", SOON),
        ("enceinte de 35 semaines, je ne sens plus bouger le bébé", "pregnancy_emergency", SOON),
        ("enceinte avec des saignements et de fortes douleurs au ventre", "pregnancy_emergency", ED),
        ("mon bébé de 5 semaines a 38,6 de fièvre", "paediatric_danger", ED),
        ("douleur brutale au testicule droit", "acute_scrotum", ED),
        ("mon conjoint me frappe, j'ai peur de rentrer", "violence_abuse", SOON),
        ("je n'arrive plus à uriner et je ne sens plus rien entre les jambes", "spinal_cord", ED),
        ("mon mollet est gonflé et douloureux, et je suis essoufflée", "clot", ED),
    ),
    "de": (
        ("ich habe Schmerzen in der Brust, die in den linken Arm ziehen", "cardiac", ED),
        ("Druck auf der Brust wie ein Schraubstock und kalter Schweiß", "cardiac", ED),
        ("ich kriege keine Luft", "breathing", ED),
        ("ich will einfach nur noch sterben", "self_harm", ED),
        ("ich moechte nicht mehr leben", "self_harm", SOON),
        ("mein Kind kann kaum atmen und hat blaue Lippen", "breathing", ED),
        ("meiner Oma hängt der Mundwinkel und sie spricht undeutlich", "stroke", ED),
        ("plötzlich ist mein rechter Arm taub und ich finde die Worte nicht", "stroke", ED),
        ("schlagartig die schlimmsten Kopfschmerzen meines Lebens", "neuro", ED),
        ("mein Mann hat einen Krampfanfall", "seizure", ED),
        ("sie reagiert nicht mehr und ist bewusstlos", "altered_consciousness", ED),
        ("nach einem Wespenstich schwillt mein Hals zu und ich bekomme schlecht Luft", "anaphylaxis", ED),
        ("hohes Fieber, steifer Nacken und das Licht tut weh", "meningitis", ED),
        ("Fieber und lila Flecken, die sich nicht wegdrücken lassen", "meningitis", ED),
        ("ich erbreche Blut", "haemorrhage", ED),
        ("mein Stuhl ist pechschwarz und klebrig wie Teer", "haemorrhage", SOON),
        ("die Wunde hört nicht auf zu bluten", "haemorrhage", ED),
        ("ich habe eine ganze Packung Tabletten geschluckt", "poisoning_overdose", ED),
        ("mein Sohn hat Rohrreiniger getrunken", "poisoning_overdose", ED),
        ("ich will mich umbringen, das Seil liegt bereit", "self_harm", ED),
        ("ich will nicht mehr leben", "self_harm", SOON),
        ("ich bin in der 36. Woche schwanger und spüre das Baby nicht mehr", "pregnancy_emergency", SOON),
        ("schwanger, starke Bauchschmerzen und Blutungen", "pregnancy_emergency", ED),
        ("mein 4 Wochen altes Baby hat 38,5 Fieber", "paediatric_danger", ED),
        ("plötzlich starke Schmerzen im Hoden", "acute_scrotum", ED),
        ("mein Mann schlägt mich, ich habe Angst nach Hause zu gehen", "violence_abuse", SOON),
        ("kann nicht mehr pinkeln und bin zwischen den Beinen taub", "spinal_cord", ED),
        ("Wade geschwollen und schmerzhaft und ich bin kurzatmig", "clot", ED),
    ),
    "pt": (
        ("dor no peito que vai para o braço esquerdo e estou suando frio", "cardiac", ED),
        ("sinto um aperto no peito como se tivesse um elefante em cima", "cardiac", ED),
        ("não consigo respirar", "breathing", ED),
        ("meu filho está com os lábios roxos e muita falta de ar", "breathing", ED),
        ("minha mãe está com a boca torta e a fala enrolada", "stroke", ED),
        ("de repente fiquei com o braço direito dormente e sem força", "stroke", ED),
        ("a pior dor de cabeça da minha vida, começou de repente", "neuro", ED),
        ("ele está tendo uma convulsão", "seizure", ED),
        ("meu avô está desacordado, não responde", "altered_consciousness", ED),
        ("comi camarão e minha garganta está fechando", "anaphylaxis", ED),
        ("febre alta, pescoço duro e a luz incomoda muito", "meningitis", ED),
        ("febre e manchas roxas que não somem quando aperto", "meningitis", ED),
        ("estou vomitando sangue", "haemorrhage", ED),
        ("as fezes estão pretas como borra de café", "haemorrhage", SOON),
        ("cortei a mão e não para de sangrar", "haemorrhage", ED),
        ("tomei uma cartela inteira de comprimidos", "poisoning_overdose", ED),
        ("a criança bebeu água sanitária", "poisoning_overdose", ED),
        ("quero me matar, já guardei os remédios", "self_harm", ED),
        ("não quero mais viver", "self_harm", SOON),
        ("grávida de 33 semanas e o bebê não mexe desde ontem", "pregnancy_emergency", SOON),
        ("estou grávida, com sangramento e muita dor na barriga", "pregnancy_emergency", ED),
        ("meu bebê de 6 semanas está com 38,5 de febre", "paediatric_danger", ED),
        ("dor forte no testículo que começou de repente", "acute_scrotum", ED),
        ("meu marido me bate e tenho medo dele", "violence_abuse", SOON),
        ("nao consigo urinar e estou dormente entre as pernas", "spinal_cord", ED),
        ("panturrilha inchada e dolorida e agora falta de ar", "clot", ED),
    ),
    "it": (
        ("ho un dolore al petto che va al braccio sinistro", "cardiac", ED),
        ("mi sento una morsa al petto e sudo freddo", "cardiac", ED),
        ("non riesco a respirare", "breathing", ED),
        ("il bambino respira a fatica e ha le labbra blu", "breathing", ED),
        ("mia nonna ha la bocca storta e parla male", "stroke", ED),
        ("all'improvviso non sento più il braccio destro e non trovo le parole", "stroke", ED),
        ("il peggior mal di testa della mia vita, iniziato di colpo", "neuro", ED),
        ("mio figlio ha le convulsioni", "seizure", ED),
        ("non risponde, è incosciente", "altered_consciousness", ED),
        ("punto da un'ape, mi si gonfia la lingua e faccio fatica a respirare", "anaphylaxis", ED),
        ("febbre alta, collo rigido e la luce mi dà fastidio", "meningitis", ED),
        ("febbre e macchie viola che non spariscono premendo con il bicchiere", "meningitis", ED),
        ("sto vomitando sangue", "haemorrhage", ED),
        ("ho le feci nere come catrame", "haemorrhage", SOON),
        ("mi sono tagliato e il sangue non si ferma", "haemorrhage", ED),
        ("ho preso una scatola intera di tachipirina", "poisoning_overdose", ED),
        ("mia figlia ha bevuto la candeggina", "poisoning_overdose", ED),
        ("voglio uccidermi, ho già le pastiglie da parte", "self_harm", ED),
        ("non voglio più vivere", "self_harm", SOON),
        ("sono incinta di 35 settimane e il bambino non si muove più", "pregnancy_emergency", SOON),
        ("sono incinta, ho perdite di sangue e forti dolori alla pancia", "pregnancy_emergency", ED),
        ("il mio bimbo di 4 settimane ha 38,6 di febbre", "paediatric_danger", ED),
        ("dolore fortissimo e improvviso al testicolo", "acute_scrotum", ED),
        ("mio marito mi picchia e ho paura di tornare a casa", "violence_abuse", SOON),
        ("non riesco a urinare e non sento più niente tra le gambe", "spinal_cord", ED),
        ("polpaccio gonfio e dolente, adesso mi manca il fiato", "clot", ED),
    ),
    "pl": (
        ("ból w klatce piersiowej promieniujący do lewej ręki", "cardiac", ED),
        ("czuję ucisk w klatce i oblewa mnie zimny pot", "cardiac", ED),
        ("nie mogę oddychać", "breathing", ED),
        ("dziecko dusi się i ma sine usta", "breathing", ED),
        ("babci opadł kącik ust i mówi niewyraźnie", "stroke", ED),
        ("nagle zdrętwiała mi prawa ręka i nie mogę mówić", "stroke", ED),
        ("nagły najgorszy ból głowy w życiu", "neuro", ED),
        ("syn ma drgawki", "seizure", ED),
        ("mąż jest nieprzytomny i nie reaguje", "altered_consciousness", ED),
        ("użądliła mnie osa, puchnie mi gardło i trudno mi oddychać", "anaphylaxis", ED),
        ("wysoka gorączka, sztywny kark i razi mnie światło", "meningitis", ED),
        ("goraczka i fioletowe plamki ktore nie bledna pod szklanka", "meningitis", ED),
        ("wymiotuję krwią", "haemorrhage", ED),
        ("mam czarny smolisty stolec", "haemorrhage", SOON),
        ("skaleczyłem się i krew nie przestaje lecieć", "haemorrhage", ED),
        ("wzięłam całe opakowanie tabletek", "poisoning_overdose", ED),
        ("córka wypiła wybielacz", "poisoning_overdose", ED),
        ("chcę się zabić, mam już uzbierane tabletki", "self_harm", ED),
        ("nie chcę już żyć", "self_harm", SOON),
        ("jestem w 34 tygodniu ciąży i nie czuję ruchów dziecka", "pregnancy_emergency", SOON),
        ("jestem w ciąży, krwawię i mam silny ból brzucha", "pregnancy_emergency", ED),
        ("moje 5 tygodniowe niemowlę ma gorączkę 38,6", "paediatric_danger", ED),
        ("nagły silny ból jądra", "acute_scrotum", ED),
        ("mąż mnie bije i boję się wrócić do domu", "violence_abuse", SOON),
        ("nie mogę oddać moczu i mam zdrętwiałe krocze", "spinal_cord", ED),
        ("łydka spuchnięta i boli, do tego mam duszność", "clot", ED),
    ),
}

MILD: dict[str, tuple[str, ...]] = {
    "es": (
        "tengo mocos y estornudo desde ayer",
        "me duele un poco la garganta, no tengo fiebre",
        "sin dolor en el pecho ni falta de aire, solo tos",
        "necesito renovar la receta",
        "quiero pedir una cita para la semana que viene",
        "me muero de risa con este chiste",
        "me corté con un papel",
        "tengo agujetas después del gimnasio",
    ),
    "fr": (
        "j'ai le nez qui coule et j'éternue",
        "un peu mal à la gorge, pas de fièvre",
        "pas de douleur dans la poitrine, juste un rhume",
        "je voudrais renouveler mon ordonnance",
        "je voudrais prendre rendez-vous la semaine prochaine",
        "je suis mort de rire",
        "je me suis coupé avec une feuille de papier",
        "j'ai des courbatures après le sport",
    ),
    "de": (
        "ich habe Schnupfen und muss niesen",
        "etwas Halsschmerzen, kein Fieber",
        "keine Brustschmerzen, keine Atemnot, nur Husten",
        "ich brauche ein neues Rezept",
        "ich möchte einen Termin vereinbaren",
        "ich sterbe vor Langeweile",
        "ich habe mich am Papier geschnitten",
        "ich habe Muskelkater nach dem Sport",
    ),
    "pt": (
        "estou com o nariz escorrendo e espirrando",
        "um pouco de dor de garganta, sem febre",
        "não tenho dor no peito nem falta de ar, só tosse",
        "preciso renovar a receita",
        "quero marcar uma consulta",
        "estou morrendo de fome",
        "ralei o joelho de leve",
        "tenho caspa, o que posso usar?",
    ),
    "it": (
        "ho il naso che cola e starnutisco",
        "un po' di mal di gola, niente febbre",
        "non ho dolore al petto, solo tosse",
        "devo rinnovare la ricetta",
        "vorrei prenotare una visita",
        "muoio dal ridere",
        "mi sono tagliato con la carta",
        "ho la forfora da un mese",
    ),
    "pl": (
        "mam katar i kicham",
        "trochę boli mnie gardło, nie mam gorączki",
        "nie mam bólu w klatce ani duszności, tylko kaszel",
        "potrzebuję recepty na moje leki",
        "chcę umówić wizytę",
        "umieram z nudów",
        "zaciąłem się kartką papieru",
        "mam łupież, jaki szampon wybrać",
    ),
}


@pytest.fixture(scope="module")
def ruleset() -> Ruleset:
    return packaged()


@pytest.mark.parametrize(
    ("language", "text", "flag", "least"), [(lang, *case) for lang, cases in GRAVE.items() for case in cases]
)
def test_danger_is_read_in_the_language_it_is_written_in(
    ruleset: Ruleset, language: str, text: str, flag: str, least: Acuity
) -> None:
    floor = ruleset.assess(text, RecordFacts(age_years=40))
    assert Flag(flag) in {raised.flag for raised in floor.flags}
    assert floor.acuity >= least


@pytest.mark.parametrize(("language", "text"), [(lang, text) for lang, texts in MILD.items() for text in texts])
def test_what_is_mild_or_denied_or_only_a_figure_of_speech_stays_below_urgent(
    ruleset: Ruleset, language: str, text: str
) -> None:
    floor = ruleset.assess(text, RecordFacts(age_years=40))
    assert floor.acuity < Acuity.URGENT, [raised.rule for raised in floor.flags]
