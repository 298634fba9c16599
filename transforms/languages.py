"""Languages as files say them, ISO 639-2, and as the web does, BCP 47 (RFC 5646)."""

import re
from types import MappingProxyType
from typing import Final

# ISO 639-1 with its codes in ISO 639-2, the terminological one and where it differs the bibliographical one:
# https://www.loc.gov/standards/iso639-2/php/code_list.php
_CODES: Final = """
aa aar  ab abk  ae ave  af afr  ak aka  am amh  an arg  ar ara  as asm  av ava  ay aym  az aze  ba bak  be bel  bg bul
bi bis  bm bam  bn ben  bo bod tib  br bre  bs bos  ca cat  ce che  ch cha  co cos  cr cre  cs ces cze  cu chu  cv chv
cy cym wel  da dan  de deu ger  dv div  dz dzo  ee ewe  el ell gre  en eng  eo epo  es spa  et est  eu eus baq
fa fas per  ff ful  fi fin  fj fij  fo fao  fr fra fre  fy fry  ga gle  gd gla  gl glg  gn grn  gu guj  gv glv  ha hau
he heb  hi hin  ho hmo  hr hrv scr  ht hat  hu hun  hy hye arm  hz her  ia ina  id ind  ie ile  ig ibo  ii iii  ik ipk
io ido  is isl ice  it ita  iu iku  ja jpn  jv jav  ka kat geo  kg kon  ki kik  kj kua  kk kaz  kl kal  km khm  kn kan
ko kor  kr kau  ks kas  ku kur  kv kom  kw cor  ky kir  la lat  lb ltz  lg lug  li lim  ln lin  lo lao  lt lit  lu lub
lv lav  mg mlg  mh mah  mi mri mao  mk mkd mac  ml mal  mn mon  mr mar  ms msa may  mt mlt  my mya bur  na nau  nb nob
nd nde  ne nep  ng ndo  nl nld dut  nn nno  no nor  nr nbl  nv nav  ny nya  oc oci  oj oji  om orm  or ori  os oss
pa pan  pi pli  pl pol  ps pus  pt por  qu que  rm roh  rn run  ro ron rum  ru rus  rw kin  sa san  sc srd  sd snd
se sme  sg sag  si sin  sk slk slo  sl slv  sm smo  sn sna  so som  sq sqi alb  sr srp scc  ss ssw  st sot  su sun
sv swe  sw swa  ta tam  te tel  tg tgk  th tha  ti tir  tk tuk  tl tgl  tn tsn  to ton  tr tur  ts tso  tt tat  tw twi
ty tah  ug uig  uk ukr  ur urd  uz uzb  ve ven  vi vie  vo vol  wa wln  wo wol  xh xho  yi yid  yo yor  za zha
zh zho chi  zu zul
"""

UNKNOWN: Final = "und"
"""What stands where a language must be named and nobody knows it."""

_SHORT: Final = MappingProxyType(
    {long: group.split()[0] for group in re.split(r"  |\n", _CODES.strip()) for long in group.split()[1:]}
)
_NONE: Final = ("und", "mis", "mul", "zxx")  # codes that say that it is no certain language
_TAG: Final = re.compile(r"([a-z]{2,3})((?:-[a-z0-9]{2,8}){0,3})")


def tag(said: str) -> str:
    """The BCP 47 tag of a language, "" where there is none.

    >>> tag("eng"), tag("fre"), tag("pt-br"), tag("zho-hant"), tag("haw"), tag("und"), tag("English")
    ('en', 'fr', 'pt-BR', 'zh-Hant', 'haw', '', '')
    """
    found = _TAG.fullmatch(said.strip().replace("_", "-").lower())
    if not found or found[1] in _NONE:
        return ""
    parts = [
        part.title() if len(part) == 4 else part.upper() if len(part) == 2 else part for part in found[2].split("-")
    ]
    return "-".join((_SHORT.get(found[1], found[1]), *parts[1:]))
