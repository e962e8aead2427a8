"""The words of a text as a search knows them: folded, and reduced to their stems.

A text is indexed under the stems of the language that its function words suggest; a word of a query is looked up under
its stems in every language of its script, so that nobody has to say which language they write. Scripts without spaces
are cut into pairs of characters.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import snowballstemmer

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Thai, Lao, Burmese, Khmer, kana and Han."""
_OTHERWISE: Final = "english"
"""A short text may have no function word, or those of another language: it is found as English too."""
_LONGEST_WORD: Final = 64
_MOST_WORDS: Final = 5_000
"""Different words of one text that are indexed, from its beginning: others wait while it is written."""
_FUNCTION_WORDS: Final = {
    "english": "the and of to is that for it with was are this you be have not",
    "german": "der die das und ist nicht ein eine ich zu den mit von auf für sie",
    "french": "le la les et est une des du que pas pour dans je vous qui au",
    "spanish": "el la los las y es que una por con para como pero del se lo",
    "italian": "il la che di e un una per non sono con del della mi gli",
    "portuguese": "o a os as e é que uma por com para não como mas do da",
    "dutch": "de het een en van is dat niet ik op te zijn met voor",
    "swedish": "och att det som en är på för med inte jag av till den",
}
_OF_SCRIPT: Final = {
    "LATIN": tuple(_FUNCTION_WORDS),
    "CYRILLIC": ("russian",),
    "GREEK": ("greek",),
    "ARABIC": ("arabic",),
}
_BY_WORD: Final = {
    word: [name for name, words in _FUNCTION_WORDS.items() if word in words.split()]
    for words in _FUNCTION_WORDS.values()
    for word in words.split()
}


def stems_of_text(text: str) -> set[str]:
    """Every stem under which a text is found; of a very long one, those of its first 5,000 different words."""
    words = set(islice(dict.fromkeys(words_of(text)), _MOST_WORDS))
    language = _language(text)
    found: set[str] = set()
    for word in words:
        if _is_pair(word):
            found.add(word)
            continue
        languages = (language, _OTHERWISE) if _script(word) == "LATIN" else _languages(word)
        found |= _stems(word, languages)
    return found


def stems_of_word(word: str) -> set[str]:
    """Every stem that a word of a query may have been indexed under."""
    return {word} if _is_pair(word) else _stems(word, _languages(word))


def words_of(text: str) -> Iterator[str]:
    """The words of a text in their order, in small letters; of scripts without spaces the pairs of characters."""
    for match in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        yield from _pieces(match.group())


def fold(text: str) -> str:
    """A text for comparing: small letters, no accents, single spaces."""
    return " ".join(_unaccented(unicodedata.normalize("NFKC", text).casefold()).split())


def _pieces(word: str) -> Iterator[str]:
    last = 0
    for run in _UNSPACED.finditer(word):
        if run.start() > last:
            yield word[last : run.start()][:_LONGEST_WORD]
        characters = run.group()
        yield from (characters[at : at + 2] for at in range(max(1, len(characters) - 1)))
        last = run.end()
    if last < len(word):
        yield word[last:][:_LONGEST_WORD]


def _is_pair(word: str) -> bool:
    return len(word) <= 2 and _UNSPACED.fullmatch(word) is not None


def _stems(word: str, languages: tuple[str, ...]) -> set[str]:
    plain = _unaccented(word)
    spellings = {word, plain}
    return {plain, *(_unaccented(_stemmer(name).stemWord(one)) for name in languages for one in spellings)}


def _languages(word: str) -> tuple[str, ...]:
    return _OF_SCRIPT.get(_script(word), ())


def _script(word: str) -> str:
    """The script of its first letter, by the letter's name."""
    letter = next((one for one in word if one.isalpha()), "")
    return unicodedata.name(letter, "").partition(" ")[0] if letter else ""


def _language(text: str) -> str:
    """The Latin language with the most of its function words among the first of the text's words."""
    counts = dict.fromkeys(_FUNCTION_WORDS, 0)
    for number, match in enumerate(_WORD.finditer(text.casefold())):
        if number >= 300:
            break
        for name in _BY_WORD.get(match.group(), ()):
            counts[name] += 1
    return max(counts, key=lambda name: counts[name])


def _unaccented(text: str) -> str:
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(one for one in decomposed if not unicodedata.combining(one)))


def _stemmer(language: str) -> Any:
    """A stemmer holds the word that it works on, so each thread has its own."""
    made: dict[str, Any] = _own.__dict__.setdefault("stemmers", {})
    if language not in made:
        made[language] = snowballstemmer.stemmer(language)
    return made[language]


_own = threading.local()
