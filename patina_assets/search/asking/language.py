"""Which language a question is in, by its little words: what was learned of English holds for no other."""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

ENGLISH = "en"
# Words of a question that say nothing of its subject.
LITTLE_WORDS: Mapping[str, frozenset[str]] = {
    ENGLISH: frozenset({
        "a", "about", "an", "and", "any", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do",
        "does", "for", "from", "had", "has", "have", "how", "i", "in", "into", "is", "it", "its", "me", "my", "no",
        "not", "of", "on", "or", "our", "should", "so", "than", "that", "the", "their", "them", "then", "there",
        "these", "they", "this", "to", "was", "we", "were", "what", "when", "where", "which", "who", "why", "will",
        "with", "would", "you", "your",
    }),
    "de": frozenset({
        "aber", "als", "am", "an", "auch", "auf", "aus", "bei", "beim", "bin", "bis", "da", "das", "dass", "dem", "den",
        "der", "des", "die", "doch", "durch", "ein", "eine", "einem", "einen", "einer", "eines", "er", "es", "für",
        "gibt", "habe", "haben", "hat", "hatte", "ich", "ihr", "im", "in", "ins", "ist", "kann", "kein", "keine", "man",
        "mein", "mit", "muss", "nach", "nicht", "noch", "nur", "ob", "oder", "sich", "sie", "sind", "so", "soll", "um",
        "und", "unter", "vom", "von", "vor", "wann", "war", "waren", "warum", "was", "welche", "welchem", "welchen",
        "welcher", "welches", "wenn", "wer", "werden", "wie", "wieso", "wir", "wird", "wo", "woher", "worden", "wurde",
        "wurden", "zu", "zum", "zur", "über",
    }),
    "es": frozenset({
        "a", "al", "como", "con", "cual", "cuando", "cuál", "cuándo", "cómo", "de", "del", "donde", "dónde", "el", "en",
        "es", "esta", "este", "está", "fue", "ha", "hace", "la", "las", "lo", "los", "me", "no", "o", "para", "pero",
        "por", "porque", "puede", "puedo", "que", "quién", "qué", "se", "si", "sin", "son", "su", "sus", "un", "una",
        "y",
    }),
    "fr": frozenset({
        "a", "au", "aux", "avec", "ce", "ces", "cette", "comment", "dans", "de", "des", "du", "elle", "en",
        "est", "et", "été", "il", "ils", "je", "la", "le", "les", "leur", "lors", "mais", "ne", "nous",
        "on", "ont", "où", "ou", "par", "pas", "peut", "pour", "pourquoi", "qu", "quand", "que", "quel", "quelle",
        "qui", "quoi", "sa", "sans", "se", "sera", "ses", "si", "son", "sont", "sur", "un", "une", "y",
    }),
    "it": frozenset({
        "a", "al", "alla", "che", "chi", "come", "con", "cosa", "cui", "da", "dal", "dalla", "dei", "del", "della",
        "delle", "di", "dove", "e", "gli", "ha", "i", "il", "in", "la", "le", "lo", "ma", "nel", "nella", "non",
        "o", "per", "perché", "può", "quale", "quando", "se", "si", "sono", "stato", "su", "un", "una", "viene", "è",
    }),
    "nl": frozenset({
        "aan", "als", "bij", "dat", "de", "door", "een", "en", "er", "het", "hoe", "ik", "in", "is", "kan", "maar",
        "met", "moet", "naar", "niet", "of", "om", "ook", "op", "te", "uit", "van", "voor", "waar", "waarom", "wanneer",
        "wat", "welk", "welke", "werd", "wie", "wordt", "worden", "ze", "zijn",
    }),
    "pt": frozenset({
        "a", "ao", "as", "com", "como", "da", "das", "de", "do", "dos", "e", "em", "foi", "mas", "na", "no", "não", "o",
        "onde", "os", "ou", "para", "pela", "pelo", "por", "porque", "quais", "qual", "quando", "que", "quem", "se",
        "sem", "são", "um", "uma", "à", "é",
    }),
}  # fmt: skip
# One alone may be a word of another kind, such as `comment` or `die`.
FEWEST_WORDS = 2
# So much of a text tells its language.
MOST_CHARACTERS = 2_000
_WORD = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=16)
def language_of(question: str) -> str:
    """Return the language that most little words of a question are of; English where none has more than it."""
    words = set(_WORD.findall(question[:MOST_CHARACTERS].lower()))
    english = words & LITTLE_WORDS[ENGLISH]
    known = {language: len(words & own - english) for language, own in LITTLE_WORDS.items()}
    most = max(known, key=lambda language: known[language])
    return most if known[most] >= FEWEST_WORDS and known[most] > len(english) else ENGLISH


def is_english(question: str) -> bool:
    """Return whether a question is in English, as far as its little words tell."""
    return language_of(question) == ENGLISH


def without_little_words(words: Collection[str], question: str) -> list[str]:
    """Return the words that say something of what a question is about, in its language."""
    little = LITTLE_WORDS[language_of(question)]
    return [word for word in words if word not in little]
