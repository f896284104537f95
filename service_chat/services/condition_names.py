"""Names of conditions that a model may bring up although nobody mentioned them. Pure data, read by `grounding`.

A line is one condition, its names between bars; one that begins with blanks goes on with the line before. Every name
of a condition counts as every other. Here stands what people fear
or are told they have; symptoms do not, because an answer has to be able to speak of those. A name that is missing lets
a sentence pass, no more: what a rule rests on is never looked up here.
"""

from collections.abc import Iterator

_NAMES = """
heart attack | myocardial infarction | infarto | infarto de miocardio | crise cardiaque | infarctus |
  herzinfarkt | ataque cardíaco | zawał | zawał serca | инфаркт | 心脏病发作 | 心肌梗死 | 心筋梗塞 |
  نوبة قلبية | दिल का दौरा | nstemi | stemi
angina | angina pectoris | angine de poitrine | стенокардия | 心绞痛 | 狭心症
stroke | cerebrovascular accident | ictus | derrame cerebral | accident vasculaire cérébral | schlaganfall |
  avc | udar | udar mózgu | инсульт | 中风 | 脑卒中 | 脳卒中 | 脳梗塞 | سكتة دماغية | लकवा | cva
transient ischemic attack | transient ischaemic attack | mini stroke
atrial fibrillation | afib | fibrilación auricular | vorhofflimmern | fibrillation auriculaire | 心房颤动 |
  心房細動
heart failure | congestive heart failure | chf | insuficiencia cardíaca | insuffisance cardiaque |
  herzinsuffizienz | сердечная недостаточность | 心力衰竭 | 心不全
coronary artery disease | coronary heart disease | ischemic heart disease | ischaemic heart disease
aortic dissection
aortic aneurysm | aneurysm | aneurisma | aneurysma | anévrisme | аневризма
pericarditis
myocarditis
endocarditis
hypertension | high blood pressure | hypertensive disorder | hipertensión | hypertonie | bluthochdruck |
  hipertensão | ipertensione | nadciśnienie | гипертония | 高血压 | 高血圧 | ارتفاع ضغط الدم | उच्च रक्तचाप
high cholesterol | hyperlipidemia | hyperlipidaemia | hypercholesterolemia
pulmonary embolism | lung embolism | embolia pulmonar | embolie pulmonaire | lungenembolie | zatorowość płucna |
  тромбоэмболия | 肺栓塞 | 肺塞栓
deep vein thrombosis | dvt | blood clot | trombosis | thrombose | trombose | trombosi | zakrzepica | тромбоз |
  血栓
pneumonia | neumonía | pneumonie | lungenentzündung | polmonite | zapalenie płuc | пневмония | 肺炎 |
  التهاب رئوي | निमोनिया
bronchitis | bronquitis | bronchite | бронхит | 支气管炎 | 気管支炎
asthma | asma | asthme | astma | астма | 哮喘 | 喘息 | الربو | दमा
copd | chronic obstructive pulmonary disease | emphysema | epoc | bpco | pochp | хобл
pneumothorax | collapsed lung | neumotórax | pneumotorace
tuberculosis | tb | туберкулез | 结核 | 結核
covid | covid 19 | coronavirus
influenza | flu | gripe | grippe | grypa | грипп | 流感 | インフルエンザ
common cold | resfriado | erkältung | rhume | raffreddore | przeziębienie | простуда | 感冒 | 風邪
tonsillitis | strep throat | streptococcal pharyngitis | strep
sinusitis | sinus infection
ear infection | otitis | otitis media
croup
epiglottitis
bronchiolitis
whooping cough | pertussis
sepsis | septicemia | septicaemia | blood poisoning | sepsa | сепсис | 败血症 | 敗血症
meningitis | meningite | hirnhautentzündung | zapalenie opon | менингит | 脑膜炎 | 髄膜炎 | التهاب السحايا
encephalitis
brain tumor | brain tumour | tumor cerebral | hirntumor | опухоль мозга | 脑瘤 | 脳腫瘍
brain hemorrhage | brain haemorrhage | subarachnoid hemorrhage | subarachnoid haemorrhage | brain bleed |
  hirnblutung | hemorragia cerebral
concussion | conmoción | commotion cérébrale | gehirnerschütterung | сотрясение | 脑震荡 | 脳震盪
migraine | migraña | migräne | enxaqueca | emicrania | migrena | мигрень | 偏头痛 | 片頭痛 | شقيقة | माइग्रेन
epilepsy | epilepsia | épilepsie | epilepsie | эпилепсия | 癫痫 | てんかん
multiple sclerosis | esclerosis múltiple | sclérose en plaques | multiple sklerose | рассеянный склероз
parkinson's disease | parkinson | parkinsonism
dementia | alzheimer | alzheimer's | alzheimer's disease | demencia | démence | demenz
guillain barre
bell's palsy | facial palsy
myasthenia gravis
cauda equina | cauda equina syndrome | spinal cord compression
sciatica | herniated disc | slipped disc | ciática | bandscheibenvorfall | hernia discal
appendicitis | apendicitis | appendicite | blinddarmentzündung | apendicite | zapalenie wyrostka | аппендицит |
  阑尾炎 | 虫垂炎 | التهاب الزائدة | अपेंडिसाइटिस
gallstones | gallstone | cholecystitis | gallbladder infection | cálculos biliares | gallensteine |
  calculs biliaires
pancreatitis | pancreatite | bauchspeicheldrüsenentzündung | панкреатит | 胰腺炎 | 膵炎
bowel obstruction | intestinal obstruction | ileus
intussusception
volvulus
peritonitis
diverticulitis
perforated ulcer
peptic ulcer | stomach ulcer | gastric ulcer | úlcera | magengeschwür | язва | 胃溃疡 | 胃潰瘍
gastritis | gastrite | гастрит | 胃炎
gastroenteritis | stomach flu | 胃肠炎 | 胃腸炎
food poisoning
gerd | acid reflux | gastroesophageal reflux | reflux disease
irritable bowel syndrome | ibs
crohn's disease | crohn | crohn's
ulcerative colitis
inflammatory bowel disease
celiac disease | coeliac disease
hepatitis | гепатит | 肝炎
cirrhosis | cirrosis | leberzirrhose | 肝硬化
liver failure
fatty liver
kidney stone | kidney stones | renal colic | cálculos renales | nierensteine | calculs rénaux | камни в почках |
  肾结石 | 腎結石
kidney failure | renal failure | chronic kidney disease | acute kidney injury | insuficiencia renal |
  nierenversagen | почечная недостаточность | 肾衰竭 | 腎不全
urinary tract infection | uti | bladder infection | cystitis | infección urinaria | blasenentzündung | cystite |
  цистит | 膀胱炎 | 尿路感染
kidney infection | pyelonephritis
prostatitis
enlarged prostate
testicular torsion | torsion of the testicle
epididymitis
ectopic pregnancy | embarazo ectópico | grossesse extra-utérine | eileiterschwangerschaft |
  внематочная беременность | 宫外孕 | 子宮外妊娠
preeclampsia | pre eclampsia | eclampsia | präeklampsie | prééclampsie | преэклампсия | 子痫 |
  妊娠高血圧症候群
miscarriage
placental abruption
placenta previa
gestational diabetes
ovarian cyst
ovarian torsion
endometriosis
pelvic inflammatory disease
fibroids
diabetes | diabetes mellitus | diabetic | type 1 diabetes | type 2 diabetes | diabetes mellitus type 1 |
  diabetes mellitus type 2 | diabète | zuckerkrankheit | cukrzyca | диабет | 糖尿病 | السكري | मधुमेह | t2dm
diabetic ketoacidosis | ketoacidosis | dka | cetoacidosis | ketoazidose | кетоацидоз
hypoglycemia | hypoglycaemia | low blood sugar | hipoglucemia | unterzuckerung | гипогликемия | 低血糖
hyperthyroidism | graves disease
hypothyroidism
thyroid storm
thyroiditis
addison's disease | adrenal insufficiency
adrenal crisis
cushing's syndrome
anaphylaxis | anaphylactic shock | anafilaxia | anaphylaxie | anafilassi | анафилаксия | 过敏性休克 |
  アナフィラキシー
cellulitis | celulitis
abscess
necrotizing fasciitis
impetigo
shingles | herpes zoster
herpes
chickenpox
measles
mumps
rubella
scarlet fever
eczema
psoriasis
dermatitis
rosacea
lyme disease
malaria
dengue
tetanus
rabies
hiv | hiv aids
cancer | carcinoma | malignancy | tumor | tumour | cáncer | krebs | câncer | cancro | rak | nowotwór | рак |
  癌症 | がん | سرطان | कैंसर
leukemia | leukaemia
lymphoma
melanoma
myeloma
lupus
rheumatoid arthritis
osteoarthritis
arthritis
gout
fibromyalgia
giant cell arteritis | temporal arteritis
vasculitis
osteoporosis
fracture
compartment syndrome
anemia | anaemia | blutarmut | anémie | анемия | 贫血 | 貧血
sickle cell disease | sickle cell crisis
haemophilia | hemophilia
glaucoma
retinal detachment
conjunctivitis | pink eye
uveitis
keratitis
bipolar disorder
schizophrenia
psychosis
depression | major depression | depressive disorder | depresión | dépression | depressão | depressione |
  депрессия | 抑郁症 | うつ病
anxiety disorder | generalized anxiety disorder
panic attack | panic disorder | ataque de pánico | panikattacke | attaque de panique | паническая атака
serotonin syndrome
neuroleptic malignant syndrome
lithium toxicity
lactic acidosis
carbon monoxide poisoning
heat stroke
hypothermia
bppv | benign positional vertigo
meniere's disease
labyrinthitis
sleep apnea | sleep apnoea
"""


def condition_names() -> Iterator[tuple[str, ...]]:
    """For each condition, all its names."""
    for line in _NAMES.replace("\n  ", " ").strip().splitlines():
        yield tuple(name.strip() for name in line.split("|"))
