"""Turns the language codes found in sources into the tags that manifests want."""

from __future__ import annotations

import re

from adaptation.media.probe import UNKNOWN_LANGUAGE

# ISO 639-2 (both spellings where there are two) to ISO 639-1: RFC 5646 §2.2.1 asks for the
# shortest code of a language.
_PAIRS = (
    "aar:aa abk:ab afr:af aka:ak alb:sq amh:am ara:ar arg:an arm:hy asm:as ava:av ave:ae "
    "aym:ay aze:az bak:ba bam:bm baq:eu bel:be ben:bn bis:bi bod:bo bos:bs bre:br bul:bg "
    "bur:my cat:ca ces:cs cha:ch che:ce chi:zh chu:cu chv:cv cor:kw cos:co cre:cr cym:cy "
    "cze:cs dan:da deu:de div:dv dut:nl dzo:dz ell:el eng:en epo:eo est:et eus:eu ewe:ee "
    "fao:fo fas:fa fij:fj fin:fi fra:fr fre:fr fry:fy ful:ff geo:ka ger:de gla:gd gle:ga "
    "glg:gl glv:gv gre:el grn:gn guj:gu hat:ht hau:ha heb:he her:hz hin:hi hmo:ho hrv:hr "
    "hun:hu hye:hy ibo:ig ice:is ido:io iii:ii iku:iu ile:ie ina:ia ind:id ipk:ik isl:is "
    "ita:it jav:jv jpn:ja kal:kl kan:kn kas:ks kat:ka kau:kr kaz:kk khm:km kik:ki kin:rw "
    "kir:ky kom:kv kon:kg kor:ko kua:kj kur:ku lao:lo lat:la lav:lv lim:li lin:ln lit:lt "
    "ltz:lb lub:lu lug:lg mac:mk mah:mh mal:ml mao:mi mar:mr may:ms mkd:mk mlg:mg mlt:mt "
    "mon:mn mri:mi msa:ms mya:my nau:na nav:nv nbl:nr nde:nd ndo:ng nep:ne nld:nl nno:nn "
    "nob:nb nor:no nya:ny oci:oc oji:oj ori:or orm:om oss:os pan:pa per:fa pli:pi pol:pl "
    "por:pt pus:ps que:qu roh:rm ron:ro rum:ro run:rn rus:ru sag:sg san:sa sin:si slk:sk "
    "slo:sk slv:sl sme:se smo:sm sna:sn snd:sd som:so sot:st spa:es sqi:sq srd:sc srp:sr "
    "ssw:ss sun:su swa:sw swe:sv tah:ty tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tib:bo "
    "tir:ti ton:to tsn:tn tso:ts tuk:tk tur:tr twi:tw uig:ug ukr:uk urd:ur uzb:uz ven:ve "
    "vie:vi vol:vo wel:cy wln:wa wol:wo xho:xh yid:yi yor:yo zha:za zho:zh zul:zu"
)
# ISO 639-2 codes of languages that have no shorter one.
_LONG = frozenset(
    [
        "ace",
        "ach",
        "ada",
        "ady",
        "afa",
        "afh",
        "ain",
        "akk",
        "ale",
        "alg",
        "alt",
        "ang",
        "anp",
        "apa",
        "arc",
        "arn",
        "arp",
        "art",
        "arw",
        "ast",
        "ath",
        "aus",
        "awa",
        "bad",
        "bai",
        "bal",
        "ban",
        "bas",
        "bat",
        "bej",
        "bem",
        "ber",
        "bho",
        "bik",
        "bin",
        "bla",
        "bnt",
        "bra",
        "btk",
        "bua",
        "bug",
        "byn",
        "cad",
        "cai",
        "car",
        "cau",
        "ceb",
        "cel",
        "chb",
        "chg",
        "chk",
        "chm",
        "chn",
        "cho",
        "chp",
        "chr",
        "chy",
        "cmc",
        "cnr",
        "cop",
        "cpe",
        "cpf",
        "cpp",
        "crh",
        "crp",
        "csb",
        "cus",
        "dak",
        "dar",
        "day",
        "del",
        "den",
        "dgr",
        "din",
        "doi",
        "dra",
        "dsb",
        "dua",
        "dum",
        "dyu",
        "efi",
        "egy",
        "eka",
        "elx",
        "enm",
        "ewo",
        "fan",
        "fat",
        "fil",
        "fiu",
        "fon",
        "frm",
        "fro",
        "frr",
        "frs",
        "fur",
        "gaa",
        "gay",
        "gba",
        "gem",
        "gez",
        "gil",
        "gmh",
        "goh",
        "gon",
        "gor",
        "got",
        "grb",
        "grc",
        "gsw",
        "gwi",
        "hai",
        "haw",
        "hil",
        "him",
        "hit",
        "hmn",
        "hsb",
        "hup",
        "iba",
        "ijo",
        "ilo",
        "inc",
        "ine",
        "inh",
        "ira",
        "iro",
        "jbo",
        "jpr",
        "jrb",
        "kaa",
        "kab",
        "kac",
        "kam",
        "kar",
        "kaw",
        "kbd",
        "kha",
        "khi",
        "kho",
        "kmb",
        "kok",
        "kos",
        "kpe",
        "krc",
        "krl",
        "kro",
        "kru",
        "kum",
        "kut",
        "lad",
        "lah",
        "lam",
        "lez",
        "lol",
        "loz",
        "lua",
        "lui",
        "lun",
        "luo",
        "lus",
        "mad",
        "mag",
        "mai",
        "mak",
        "man",
        "map",
        "mas",
        "mdf",
        "mdr",
        "men",
        "mga",
        "mic",
        "min",
        "mis",
        "mkh",
        "mnc",
        "mni",
        "mno",
        "moh",
        "mos",
        "mul",
        "mun",
        "mus",
        "mwl",
        "mwr",
        "myn",
        "myv",
        "nah",
        "nai",
        "nap",
        "nds",
        "new",
        "nia",
        "nic",
        "niu",
        "nog",
        "non",
        "nqo",
        "nso",
        "nub",
        "nwc",
        "nym",
        "nyn",
        "nyo",
        "nzi",
        "osa",
        "ota",
        "oto",
        "paa",
        "pag",
        "pal",
        "pam",
        "pap",
        "pau",
        "peo",
        "phi",
        "phn",
        "pon",
        "pra",
        "pro",
        "raj",
        "rap",
        "rar",
        "roa",
        "rom",
        "rup",
        "sad",
        "sah",
        "sai",
        "sal",
        "sam",
        "sas",
        "sat",
        "scn",
        "sco",
        "sel",
        "sem",
        "sga",
        "sgn",
        "shn",
        "sid",
        "sio",
        "sit",
        "sla",
        "sma",
        "smi",
        "smj",
        "smn",
        "sms",
        "snk",
        "sog",
        "son",
        "srn",
        "srr",
        "ssa",
        "suk",
        "sus",
        "sux",
        "syc",
        "syr",
        "tai",
        "tem",
        "ter",
        "tet",
        "tig",
        "tiv",
        "tkl",
        "tlh",
        "tli",
        "tmh",
        "tog",
        "tpi",
        "tsi",
        "tum",
        "tup",
        "tut",
        "tvl",
        "tyv",
        "udm",
        "uga",
        "umb",
        "vai",
        "vot",
        "wak",
        "wal",
        "war",
        "was",
        "wen",
        "xal",
        "yao",
        "yap",
        "ypk",
        "zap",
        "zbl",
        "zen",
        "zgh",
        "znd",
        "zun",
        "zxx",
        "zza",
    ]
)
_SHORT = dict(re.findall(r"([a-z]{3}):([a-z]{2})", _PAIRS))


def is_language(code: str) -> bool:
    """Whether this is a code of ISO 639-1 or ISO 639-2, optionally with subtags (`pt-BR`).

    Other words of three letters, which ISO 639-3 knows, are none: in a file's name they are
    more often another word.
    """
    tag = language_tag(code)
    primary = tag.partition("-")[0]
    return tag != UNKNOWN_LANGUAGE and (primary in _LONG or has_short_code(primary))


def has_short_code(primary: str) -> bool:
    """Whether this is one of the two-letter codes of ISO 639-1."""
    return primary in _SHORT.values()


def long_code(tag: str) -> str:
    """The three letters of a language's tag, as MP4 and FFmpeg want them; `und` if unknown.

    Args:
        tag: of RFC 5646, such as `pt-BR`, or an ISO 639 code.
    """
    primary = language_tag(tag).partition("-")[0]
    if len(primary) == 3:
        return primary
    return next((long for long, short in _SHORT.items() if short == primary), UNKNOWN_LANGUAGE)


def language_tag(code: str) -> str:
    """The RFC 5646 tag of an ISO 639 code; `und` for what is no code.

    Args:
        code: two or three letters, optionally with subtags (`pt-BR`).
    """
    primary, *subtags = code.strip().lower().replace("_", "-").split("-")
    is_code = primary.isascii() and primary.isalpha() and len(primary) in (2, 3)
    if not is_code or not all(part.isascii() and part.isalnum() for part in subtags):
        return UNKNOWN_LANGUAGE
    return "-".join([_SHORT.get(primary, primary), *map(_case, subtags)])


def known_code(code: str) -> str:
    """A code as a source has it, or `und` for what is no code: it becomes a word of a command."""
    return UNKNOWN_LANGUAGE if language_tag(code) == UNKNOWN_LANGUAGE else code


def _case(subtag: str) -> str:
    """Countries in capitals, scripts with one, as RFC 5646 §2.1.1 recommends."""
    if len(subtag) == 4 and subtag.isalpha():
        return subtag.title()
    return subtag.upper() if len(subtag) == 2 else subtag
