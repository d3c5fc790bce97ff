"""A user's words in the words of a model."""

import subprocess
import sys

import pytest

from ddpm.conditions import synonyms, vocabulary
from ddpm.conditions.vocabulary import SYNONYMS, Resolved, by_kind, describe, resolve, split

# The words of the shipped weights, the most frequent first.
SHIPPED = (
    "a in with and of brown hair woman man light dark eyes smiling black wearing skin grey "
    "her his turned facing portrait photograph photo glasses before smile left right greying "
    "blue background short white the jacket neck polo shirt at long faintly t-shirt front top "
    "v-neck green an bob side beard stubble elderly young up earrings beige back parted curly "
    "red sixties thirties fifties down forties seventies look twenties studio pink olive fair "
    "wavy slight afro shaved tied navy straight swept yellow wall broadly serious broad blond "
    "window looking blurred fringe gold silver sunlight full room pearl surprised soft warm "
    "freckles tan scarf ear studs eighties hat laughing dyed receding trees goatee moustache "
    "braids evening bun sad bald head park talking hoop standing lamp city cap auburn golden "
    "rectangular hazy mottled lights overcast teal brick cloth painted bright by rose calm "
    "angry indoors lips sea street smirking copper laugh above from dramatic among behind "
    "round black-framed leaves closed mountains platinum thinning night wooden hazel plain "
    "very outdoors pursing cafe dim baseball half-rim shade mouth open gold-framed bookshelf "
    "crooked houses deep books shelves silver-framed library aviator coloured cat-eye straw "
    "planks hijab brown-framed sun woolly headscarf pursed knitted tortoiseshell beanie "
    "red-framed blue-framed wide-brimmed clear-framed sunglasses purple"
).split()
# What visitors type, and what is drawn.
READ = [
    (
        "an old woman with curly grey hair, laughing",
        "an elderly woman with curly grey hair laughing",
    ),
    ("beautiful asian girl with long hair", "young woman with long hair"),
    (
        "a happy bald guy with a mustache and sunglasses",
        "a smiling bald man with a moustache and sunglasses",
    ),
    (
        "portrait of a ginger teenager with freckles",
        "portrait of a young with red hair and freckles",
    ),
    ("kid", "young portrait"),
    ("old", "elderly"),
    ("girl", "young woman"),
    ("boy", "young man"),
    ("person", "portrait"),
    ("gray", "grey"),
    ("mustache", "moustache"),
    ("grandmother in a headscarf", "elderly woman in a headscarf"),
    ("black man with dreadlocks", "man with dark brown skin and hair in braids"),
    ("a young black girl with braids", "a young woman with dark brown skin and braids"),
    ("white guy with a buzz cut", "man with fair skin and shaved hair"),
    ("blonde", "blond hair"),
    (
        "a gorgeous blonde woman with blue eyes wearing a red dress",
        "a woman with blond hair and blue eyes wearing a red top",
    ),
    ("woman with a blonde ponytail", "woman with blond hair tied back"),
    ("photo of a smiling boy", "photo of a smiling young man"),
    ("portrait of a person", "portrait"),
    ("a person with curly hair", "a portrait with curly hair"),
    ("a bearded ginger man with glasses", "a man with a beard and red hair and glasses"),
    ("curly red-haired boy with blue eyes", "young man with curly red hair and blue eyes"),
    (
        "a grey-haired old man in a black T Shirt",
        "an elderly man with grey hair in a black t-shirt",
    ),
    ("a redhead with green eyes", "red hair and green eyes"),
    ("woman with facial hair", "woman with a beard"),
    ("a woman with long bangs", "a woman with long fringe"),
    ("a woman with bangs", "a woman with a fringe"),
    ("a 50 year old man with a beard", "a man in his fifties with a beard"),
    ("woman in her late 30s", "woman in her thirties"),
    ("a man in his mid-fifties", "a man in his fifties"),
    ("a middle-aged lady with spectacles", "a woman in her forties with glasses"),
    ("4 year old girl", "young woman"),
    ("a clean-shaven man", "a man"),
    ("a man without a hat in a park", "a man in a park"),
    ("woman with no makeup and blue eyes", "woman with blue eyes"),
    ("a man withot glasses", "a man"),
    ("a man in a castle with a sword and a hat", "a man with a hat"),
    ("a woman with wings, laughing", "a woman laughing"),
    ("a woman with big teeth and a hat", "a woman with a hat"),
    ("punk girl with pink mohawk", "young woman"),
    ("an ugly elderly man", "an elderly man"),
    ("a tired man", "a man"),
    ("a white cat", "a white"),
    ("oil painting of a woman", "a woman"),
    ("the girl with a pearl earring", "the young woman with pearl earrings"),
    ("a lady at the beach at sunset", "a woman by the sea in golden evening light"),
    ("selfie of a teenage girl in the woods", "photo of a young woman among trees"),
    ("a photo of a doctor in front of a hospital", "a photo"),
    ("a man looking thoughtful", "a man looking serious"),
    ("a photo of an attractive woman facing the camera", "a photo of a woman"),
    ("man with salt-and-pepper beard", "man with greying beard"),
    ("woman in black-rimmed glasses", "woman in black-framed glasses"),
    ("elderly man in a gray-green jacket", "elderly man in a green jacket"),
    ("man with slicked back hair", "man with hair swept back"),
    ("yuong woman with balck hiar", "young woman with black hair"),
    ("womn with sunglases and stuble", "woman with sunglasses and stubble"),
    ("a beautifull womna with curley hair", "a woman with curly hair"),
    ("café", "cafe"),
    ("he is bald and happy", "bald and smiling"),
    ("a man who smiles", "a man smiling"),
    ("an african american woman with an afro", "a woman with an afro"),
]


@pytest.mark.parametrize("prompt, words", READ)
def test_prompts_are_read_as(prompt, words):
    assert resolve(prompt, SHIPPED).words == tuple(words.split())


@pytest.mark.parametrize("prompt, words", READ)
def test_what_comes_out_is_known_and_stays(prompt, words):
    assert set(words.split()) <= set(SHIPPED)
    assert describe(prompt, resolve(prompt, SHIPPED)) is None or prompt != words


@pytest.mark.parametrize(
    "prompt",
    [
        "a young woman with long wavy light brown hair, smiling broadly, in a navy V-neck top",
        "a portrait of a man in his fifties with a short grey beard, facing left and up",
        "hair curly grey a",  # the order and the lack of grammar are the user's
        "white",
        "the",
    ],
)
def test_known_words_stay_in_their_order(prompt):
    resolved = resolve(prompt, SHIPPED)
    assert resolved == Resolved(tuple(split(prompt)), (), ())
    assert describe(prompt, resolved) is None


def test_what_was_replaced_and_skipped():
    resolved = resolve("A beautiful old goblin with gray-green eyes; a Beautiful old man", SHIPPED)
    assert resolved.replaced == (("old", "elderly"), ("gray-green", "green"))
    assert resolved.skipped == ("beautiful", "goblin")


def test_the_noun_that_is_skipped_takes_its_colour_and_small_words_along():
    resolved = resolve("a woman in a pointed red robe of a goblin and a very long wand", SHIPPED)
    assert resolved.skipped == ("pointed", "goblin", "long wand")
    assert " ".join(resolved.words) == "a woman in a red top"


def test_what_a_negation_takes_away_is_not_drawn():
    resolved = resolve("a woman without glasses or a hat, not smiling, in blue", SHIPPED)
    assert resolved.words == ("a", "woman", "in", "blue")
    assert resolved.skipped == ("without glasses or a hat", "not smiling")
    assert resolve("a man without a hat", [*SHIPPED, "without"]).words[2:] == (
        "without",
        "a",
        "hat",
    )


@pytest.mark.parametrize("word", ["asian", "japanese", "latino", "european", "african", "arab"])
def test_where_somebody_comes_from_is_not_guessed(word):
    assert resolve(f"a {word} man", SHIPPED) == Resolved(("a", "man"), (), (word,))


@pytest.mark.parametrize(
    "word",
    "good blood walk bear skirt widow horses planted tired punk plaid cape boots board stunning "
    "spending striking thinking painting glass face leave part gold-plated hate tank bold".split(),
)
def test_ordinary_words_are_no_typing_errors(word):
    assert resolve(f"woman {word}", SHIPPED).skipped == (word,)


@pytest.mark.parametrize(
    "typed, word",
    [
        ("berd", "beard"),
        ("gren", "green"),
        ("owman", "woman"),
        ("jackt", "jacket"),
        ("beanei", "beanie"),
        ("moustahce", "moustache"),
        ("moustasche", "moustache"),
        ("sunlgases", "sunglasses"),
        ("elderley", "elderly"),
        ("granmother", "elderly woman"),
    ],
)
def test_typing_errors(typed, word):
    assert resolve(typed, SHIPPED) == Resolved(tuple(word.split()), ((typed, word),), ())


@pytest.mark.parametrize(
    "typed, word",
    [
        ("smiles", "smiling"),
        ("beards", "beard"),
        ("hats", "hat"),
        ("longest", "long"),
        ("curlier", "curly"),
        ("reddish", "red"),
        ("happily", "smiling"),
        ("braided", "braids"),
        ("woman's", "woman"),
        ("vneck", "v-neck"),
        ("T Shirt", "t-shirt"),
        ("wide brimmed", "wide-brimmed"),
    ],
)
def test_forms_and_spellings(typed, word):
    assert resolve(typed, SHIPPED).words == (word,)


def test_a_vocabulary_of_american_spelling_is_met_from_both_sides():
    words = ["a", "man", "with", "gray", "hair", "mustache", "girl", "young", "woman"]
    assert resolve("a man with grey hair", words).words[3] == "gray"
    assert resolve("moustache", words).words == ("mustache",)
    # Words that these captions have are not replaced, in no phrase either.
    assert resolve("young girl", words) == Resolved(("young", "girl"), (), ())


def test_words_of_which_no_candidate_is_known_are_skipped():
    assert resolve("an old man", ["a", "man"]) == Resolved(("man",), (), ("old",))
    assert resolve("a 50-year-old man", ["a", "man"]) == Resolved(
        ("a", "man"), (), ("50-year-old",)
    )
    assert resolve("a 80 year old man", ["man", "elderly"]).words == ("elderly", "man")


def test_empty_prompts_and_signs():
    assert resolve("", SHIPPED) == resolve(" \n", SHIPPED) == Resolved((), (), ())
    for strict in (False, True):
        with pytest.raises(ValueError, match=r"^there is no word in the prompt '\?!'\.$"):
            resolve("?!", SHIPPED, strict)


def test_prompts_of_which_nothing_is_left():
    none = "the model knows none of the words in"
    with pytest.raises(ValueError) as error:
        resolve("a Beautiful\x1b", SHIPPED)
    near = "the nearest that it knows: beanie"
    assert str(error.value) == f"{none} 'a Beautiful\\x1b'; {near}."
    with pytest.raises(ValueError) as error:
        resolve("zzz", SHIPPED)
    near = "it knows, among others: a, in, with, and, of, brown, hair, woman"
    assert str(error.value) == f"{none} 'zzz'; {near}."
    for strict in (False, True):
        with pytest.raises(ValueError, match="none of the words in 'who is'"):
            resolve("who is", SHIPPED, strict)


def test_strict_refuses_the_first_unknown_word():
    with pytest.raises(ValueError) as error:
        resolve("who is an old man with a berd", SHIPPED, strict=True)
    near = "the nearest that it knows: gold, golden, mottled"
    assert str(error.value) == f"the model never met the word 'old'; {near}."
    resolved = resolve("He is a man, who is SMILING", SHIPPED, strict=True)
    assert resolved == Resolved(("a", "man", "smiling"), (), ())
    with pytest.raises(ValueError, match="'t-shirts'"):
        resolve("t-shirts", SHIPPED, strict=True)


@pytest.mark.parametrize(
    "prompt, line",
    [
        (
            "an old goblin with curly grey hair",
            "'old' was read as 'elderly'; 'goblin' is unknown and was left out: drawn as "
            '"an elderly with curly grey hair".',
        ),
        (
            "Beautiful Asian Girl, happy",
            "'Girl' was read as 'young woman' and 'happy' as 'smiling'; 'Beautiful' and 'Asian' "
            'are unknown and were left out: drawn as "young woman smiling".',
        ),
        ("dog, man", "'dog' is unknown and was left out: drawn as \"man\"."),
        (
            "a kid\x1b[31m",
            "'kid' was read as 'young portrait'; '31m' is unknown and was left out: drawn as "
            '"a young portrait".',
        ),
    ],
)
def test_the_line_for_the_user(prompt, line):
    assert describe(prompt, resolve(prompt, SHIPPED)) == line
    assert line.isprintable()


def test_kinds_are_a_partition():
    words = [*SHIPPED, "zebra", "green-framed"]
    kinds = by_kind(words)
    assert sorted(word for kind in kinds.values() for word in kind) == sorted(words)
    assert kinds["sex"] == ["woman", "man"]
    assert kinds["beard"] == ["beard", "stubble", "full", "goatee", "moustache"]
    assert kinds["other"] == ["zebra"] and "green-framed" in kinds["glasses and hats"]
    assert "other" not in by_kind(SHIPPED)
    assert by_kind(["man"]) == {"sex": ["man"]} and by_kind([]) == {}


def test_no_word_is_in_two_kinds():
    words = [word for kind in synonyms.KINDS.values() for word in kind.split()]
    assert sorted(words) == sorted(set(words))


def test_every_synonym_can_be_reached_and_is_listed_once():
    keys = [key for keys in synonyms.MEANINGS.values() for key in keys.split(", ")]
    assert sorted(keys) == sorted(set(keys))
    for key, candidates in SYNONYMS.items():
        assert key == " ".join(split(key)) and "-" not in key
        assert len(key.split()) <= vocabulary.LONGEST_PHRASE
        assert key not in candidates[1:] and candidates != (key,)


def test_split_is_unchanged():
    assert split("A t-shirt, 'the' man’s -- half-") == ["a", "t-shirt", "the", "man's", "half"]
    assert split("cafe\u0301") == ["café"]
    assert split("GRÖßER УЛЫБКА") == ["größer", "улыбка"]


def test_no_backend_or_reader_of_pictures_is_imported():
    code = (
        "import sys, ddpm.conditions.vocabulary; "
        "print({'keras', 'cv2', 'PIL', 'click'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
