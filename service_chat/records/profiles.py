"""The kinds of patients that `synthetic` draws from: who they are, what they live with, what they take.

Pure data. Each kind is here because it makes triage harder in its own way: a drug that turns a bump on the head into
an emergency, a body that shows no fever, a patient too young for adult numbers, a record in which nothing was written.
None of it describes a real person, and none of it is a source of medical knowledge.
"""

from dataclasses import dataclass, field

from service_chat.records.ports import AllergyStatus, Sex


@dataclass(frozen=True, slots=True)
class Drug:
    name: str
    sig: str
    rxnorm: str


@dataclass(frozen=True, slots=True)
class Lab:
    """A value is drawn evenly between `low` and `high`."""

    name: str
    loinc: str
    unit: str
    low: float
    high: float
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    ages: tuple[float, float]  #: years, both ends possible
    #: (ICD-10-CM, display), all of them active
    conditions: tuple[tuple[str, str], ...] = ()
    #: One of each group is taken.
    drugs: tuple[tuple[Drug, ...], ...] = ()
    sex: Sex | None = None  #: None: either
    labs: tuple[Lab, ...] = ()
    gestation: tuple[int, int] | None = None  #: weeks
    #: None: drawn.
    allergies: AllergyStatus | None = None
    reasons: tuple[str, ...] = ("Routine check-up",)
    notes: tuple[str, ...] = field(default=("No new complaints. Advised to return if anything changes.",))
    #: Systolic blood pressure around which the vitals are drawn, mmHg.
    systolic: int = 120
    #: False: no vitals, no encounters, no documents either.
    has_history: bool = True


CREATININE = Lab("Creatinine", "2160-0", "mg/dL", 0.7, 1.2)
POTASSIUM = Lab("Potassium", "2823-3", "mmol/L", 3.6, 4.9)
HEMOGLOBIN = Lab("Hemoglobin", "718-7", "g/dL", 11.2, 15.4)
HBA1C = Lab("Hemoglobin A1c", "4548-4", "%", 6.4, 9.8)
GLUCOSE = Lab("Glucose", "2345-7", "mg/dL", 88, 240, 0)
INR = Lab("INR", "6301-6", "{ratio}", 1.8, 3.6)
WHITE_CELLS = Lab("Leukocytes", "6690-2", "10*3/uL", 1.9, 5.2)
LITHIUM = Lab("Lithium", "14334-7", "mmol/L", 0.5, 1.1)
EGFR = Lab("eGFR", "33914-3", "mL/min/{1.73_m2}", 28, 55, 0)

METFORMIN = Drug("Metformin 500 mg", "1 tablet twice daily with meals", "861007")
LISINOPRIL = Drug("Lisinopril 10 mg", "1 tablet daily", "314076")
AMLODIPINE = Drug("Amlodipine 5 mg", "1 tablet daily", "197361")
ATORVASTATIN = Drug("Atorvastatin 40 mg", "1 tablet at night", "617311")
WARFARIN = Drug("Warfarin 5 mg", "as directed by INR", "855332")
APIXABAN = Drug("Apixaban 5 mg", "1 tablet twice daily", "1364445")
METOPROLOL = Drug("Metoprolol succinate 50 mg", "1 tablet daily", "866436")
GLARGINE = Drug("Insulin glargine 100 units/mL", "18 units at bedtime", "285018")
LISPRO = Drug("Insulin lispro 100 units/mL", "4 to 8 units before meals", "242120")
ALBUTEROL = Drug("Albuterol 90 mcg inhaler", "2 puffs when needed", "745752")
PREDNISONE = Drug("Prednisone 20 mg", "1 tablet daily", "312615")

KINDS: tuple[Kind, ...] = (
    Kind("healthy adult", (20, 45)),
    Kind(
        "early pregnancy",
        (19, 41),
        (("Z34.01", "Supervision of normal first pregnancy, first trimester"),),
        ((Drug("Prenatal vitamin", "1 tablet daily", "1037045"),),),
        Sex.FEMALE,
        (HEMOGLOBIN,),
        (6, 13),
        reasons=("Antenatal visit",),
        notes=("Nausea in the mornings. No bleeding reported.",),
        systolic=112,
    ),
    Kind(
        "late pregnancy",
        (20, 42),
        (("O13.3", "Gestational hypertension, third trimester"),),
        ((Drug("Labetalol 100 mg", "1 tablet twice daily", "896758"),),),
        Sex.FEMALE,
        (HEMOGLOBIN, CREATININE),
        (29, 39),
        reasons=("Antenatal visit",),
        notes=("Blood pressure above target twice this month. Told which signs need a call at once.",),
        systolic=144,
    ),
    Kind(
        "anticoagulated",
        (62, 89),
        (("I48.91", "Atrial fibrillation"), ("I10", "Essential hypertension")),
        ((WARFARIN, APIXABAN), (METOPROLOL,)),
        labs=(INR, HEMOGLOBIN, CREATININE),
        reasons=("Anticoagulation review",),
        notes=("No falls since the last visit. Gums bleed a little when brushing.",),
        systolic=138,
    ),
    Kind(
        "insulin",
        (16, 74),
        (("E10.9", "Type 1 diabetes mellitus"),),
        ((GLARGINE,), (LISPRO,)),
        labs=(HBA1C, GLUCOSE, CREATININE),
        reasons=("Diabetes review",),
        notes=("Two lows at night this month, both felt in time.",),
    ),
    Kind(
        "type 2 diabetes",
        (44, 79),
        (("E11.9", "Type 2 diabetes mellitus"), ("I10", "Essential hypertension"), ("E78.5", "Hyperlipidemia")),
        ((METFORMIN,), (LISINOPRIL, AMLODIPINE), (ATORVASTATIN,)),
        labs=(HBA1C, CREATININE, POTASSIUM),
        reasons=("Diabetes review",),
        notes=("Feet without wounds. Home readings mostly under 180 mg/dL.",),
        systolic=142,
    ),
    Kind(
        "transplant",
        (24, 66),
        (("Z94.0", "Kidney transplant status"),),
        (
            (Drug("Tacrolimus 1 mg", "2 capsules twice daily", "313190"),),
            (Drug("Mycophenolate mofetil 500 mg", "2 tablets twice daily", "200060"),),
            (Drug("Prednisone 5 mg", "1 tablet daily", "312617"),),
        ),
        labs=(CREATININE, EGFR, WHITE_CELLS),
        reasons=("Transplant clinic",),
        notes=("Graft function stable. Reminded that fever means a call on the same day.",),
    ),
    Kind(
        "infant",
        (0.1, 0.9),
        allergies=AllergyStatus.NONE_KNOWN,
        reasons=("Well-baby visit",),
        notes=("Feeding well, gaining weight along the curve.",),
        systolic=85,
    ),
    Kind(
        "child with asthma",
        (3, 12),
        (("J45.30", "Mild persistent asthma"),),
        ((ALBUTEROL,), (Drug("Fluticasone 44 mcg inhaler", "2 puffs twice daily", "896019"),)),
        reasons=("Asthma review",),
        notes=("One night with wheeze in the last month. Inhaler technique shown again.",),
        systolic=100,
    ),
    Kind(
        "anaphylaxis",
        (11, 32),
        (("Z91.010", "Peanut allergy status"),),
        ((Drug("Epinephrine 0.3 mg auto-injector", "inject into the thigh when needed", "1870230"),),),
        allergies=AllergyStatus.LISTED,
        reasons=("Allergy clinic",),
        notes=("Carries two auto-injectors. Last reaction two years ago.",),
    ),
    Kind(
        "heart failure",
        (61, 88),
        (("I50.9", "Heart failure"), ("N18.32", "Chronic kidney disease stage 3b")),
        (
            (Drug("Furosemide 40 mg", "1 tablet in the morning", "313988"),),
            (Drug("Spironolactone 25 mg", "1 tablet daily", "313096"),),
            (LISINOPRIL,),
        ),
        labs=(POTASSIUM, CREATININE, EGFR),
        reasons=("Heart failure clinic", "Leg swelling"),
        notes=("Ankles swollen in the evening. Weighs daily, up 1 kg this week.",),
        systolic=108,
    ),
    Kind(
        "coronary disease",
        (49, 81),
        (("I25.10", "Coronary artery disease"), ("Z95.5", "Coronary stent"), ("E78.5", "Hyperlipidemia")),
        (
            (Drug("Aspirin 81 mg", "1 tablet daily", "243670"),),
            (Drug("Clopidogrel 75 mg", "1 tablet daily", "309362"),),
            (ATORVASTATIN,),
            (Drug("Nitroglycerin 0.4 mg sublingual", "1 tablet under the tongue when needed", "198039"),),
        ),
        labs=(HEMOGLOBIN, CREATININE),
        reasons=("Cardiology follow-up",),
        notes=("No chest pain at rest. Walks two miles on flat ground.",),
        systolic=132,
    ),
    Kind(
        "chemotherapy",
        (35, 72),
        (("C50.919", "Breast cancer under treatment"), ("D70.1", "Neutropenia due to chemotherapy")),
        ((Drug("Ondansetron 8 mg", "1 tablet when needed", "198052"),), (PREDNISONE,)),
        Sex.FEMALE,
        (WHITE_CELLS, HEMOGLOBIN),
        reasons=("Oncology day clinic",),
        notes=("Third cycle last week. Tired, eats little. Temperature chart given.",),
        systolic=114,
    ),
    Kind(
        "bipolar disorder",
        (22, 58),
        (("F31.9", "Bipolar disorder"),),
        ((Drug("Lithium carbonate 300 mg", "1 capsule three times daily", "197889"),),),
        labs=(LITHIUM, CREATININE),
        reasons=("Mental health follow-up",),
        notes=("Sleeps seven hours. Asked to keep drinking enough in hot weather.",),
    ),
    Kind(
        "epilepsy",
        (18, 44),
        (("G40.909", "Epilepsy"),),
        ((Drug("Valproate 500 mg", "1 tablet twice daily", "1099681"), Drug("Levetiracetam 500 mg", "1 tablet twice "
          "daily", "311288")),),
        Sex.FEMALE,
        reasons=("Neurology follow-up",),
        notes=("Free of seizures for eight months. Contraception discussed.",),
    ),
    Kind(
        "chronic pain",
        (38, 76),
        (("M54.50", "Low back pain"), ("G89.29", "Chronic pain")),
        (
            (Drug("Oxycodone 5 mg", "1 tablet every 6 hours when needed", "1049621"),),
            (Drug("Gabapentin 300 mg", "1 capsule three times daily", "310431"),),
        ),
        labs=(CREATININE,),
        reasons=("Pain clinic",),
        notes=("Pain 5 of 10. Constipation with the tablets.",),
    ),
    Kind("nothing recorded", (18, 80), allergies=AllergyStatus.NOT_RECORDED, has_history=False),
)  # fmt: skip

#: Substances a listed allergy is drawn from, with what they did.
ALLERGENS: tuple[tuple[str, str, str], ...] = (
    ("Penicillin", "hives", "moderate"),
    ("Amoxicillin", "rash", "mild"),
    ("Sulfamethoxazole", "rash", "moderate"),
    ("Peanut", "anaphylaxis", "severe"),
    ("Latex", "contact dermatitis", "mild"),
    ("Ibuprofen", "wheezing", "severe"),
    ("Iodinated contrast", "hives", "moderate"),
    ("Bee venom", "anaphylaxis", "severe"),
)

#: What a patient once had and has no more.
RESOLVED: tuple[tuple[str, str], ...] = (
    ("J18.9", "Pneumonia"),
    ("S52.501A", "Fracture of the wrist"),
    ("N39.0", "Urinary tract infection"),
    ("K35.80", "Acute appendicitis"),
)
