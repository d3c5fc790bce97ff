"""Trigger words: what the captions of a few pictures call the person or the style in them.

Captions beside the pictures win. A picture without one is captioned by a template. The word that it
says must be a token of its own, or what is learned would be tied to words that mean something
else; so a word that the model does not know joins the vocabulary, and its vector goes into what is
trained: into the model itself (dreambooth), or into the adapter's file beside the matrices (lora),
or it is all that is trained (invert).
"""

from dataclasses import replace
from pathlib import Path

import click

from common.cli import count, printable
from ddpm.conditions.text import MAX_WORD, spoken, tokenizer_of, with_word, word_of
from ddpm.conditions.vocabulary import resolve, split

PERSONAL = ("lora", "dreambooth", "invert")  # tasks that learn who or what is in a few pictures
# Nothing that a picture could contradict, in words that captions of portraits have: those that the
# model does not know are left out.
TEMPLATES = ("a photo of {}", "a portrait of {}", "{}", "a photograph of {}")


def with_trigger(run, pictures, folder):
    """A personal run and its pictures, whose captions say the trigger word.

    Args:
        run: `Run` of a task of `PERSONAL`.
        pictures: have `images` and `captions`.
        folder: they come from; where some have no caption and no trigger word is named, it is the
            folder's name.

    Returns:
        (run, pictures): a vocabulary that has the word, the options' `trigger` settled, and a
        caption for every picture.

    Raises:
        ValueError: one sentence, for a word that cannot be used, or a model without words.
    """
    options, text = run.options, run.preset.network.conditions.get("text")
    if text is None:
        _refuse_words(options)
        return run, pictures
    captions = list(pictures.captions or [""] * len(pictures.images))
    trigger = options.token or options.trigger
    if trigger is None and run.config is None and not all(captions):
        trigger = trigger_of(folder, text.vocabulary)
    if trigger is None:
        if options.init_word:
            raise ValueError("--init-word says where a new word begins: add --trigger WORD.")
        return run, pictures
    run = replace(_knowing(run, trigger), options=replace(options, trigger=trigger))
    return run, replace(pictures, captions=saying(trigger, captions, options.init_word))


def _refuse_words(options):
    named = {"token": options.token, "trigger": options.trigger, "init-word": options.init_word}
    for name, value in named.items():
        if value:
            raise ValueError(
                f"{options.weights} was trained without words, so --{name} means nothing to it; "
                "name a model with words (portraits64), or leave the option away."
            )


def trigger_of(folder, vocabulary=()):
    """The trigger word that a folder of pictures suggests: "Photos/Anna Smith" -> "anna-smith"; one
    that says something already becomes "my-portrait"."""
    words = split(Path(folder).resolve().name.replace("_", " "))
    word = "-".join(words)[:MAX_WORD].strip("-'") or "somebody"
    return word if word not in vocabulary else f"my-{word}"[:MAX_WORD]


def _knowing(run, trigger):
    """A run whose vocabulary has the trigger word."""
    preset, options, word = run.preset, run.options, word_of(trigger)
    text = preset.network.conditions["text"]
    if run.config is not None:  # it has joined when the run began
        return run
    if options.init_word and resolve(options.init_word, text.vocabulary, True).words[1:]:
        raise ValueError(f"--init-word is one word. Received: {options.init_word!r}.")
    if word in text.vocabulary:
        if options.token:
            raise ValueError(
                f"{options.weights} knows the word {word!r} already; choose another --token."
            )
        return run
    vectors = options.vectors or 1
    return replace(run, preset=preset.with_conditions(text=with_word(text, word, vectors)))


def saying(trigger, captions, like=None):
    """Captions that all say a word.

    Args:
        trigger: as of `word_of`.
        captions: list of N strings; empty ones become templates, and those that do not say it get
            it in front: a word that no caption says is tied to nothing.
        like: what it is, for half of the templates: "a portrait of anna, a woman".

    Returns:
        list of N strings.
    """
    word, result = word_of(trigger), []
    for i, caption in enumerate(captions):
        if not caption:
            caption = template(i, word, like)
        elif word not in split(caption):
            caption = f"{word}, {caption}"
        result.append(caption)
    bare = sum(not caption for caption in captions)
    added = sum(bool(c) and c != r for c, r in zip(captions, result, strict=True))
    if bare:
        examples = " and ".join(repr(template(i, word, like)) for i in range(2))
        of = count(bare, "picture has no caption", "pictures have no captions")
        click.echo(printable(f"{of}: they say {examples}."))
    if added:
        of = count(added, "caption does not say", "captions do not say")
        click.echo(printable(f"{of} {word}: it is put in front."))
    return result


def template(i, word, like=None):
    """The caption of picture i: the templates in turn."""
    turn = i // len(TEMPLATES)
    if like and (i + turn) % 2:
        word = f"{word}, {_with_article(like)}"
    return TEMPLATES[i % len(TEMPLATES)].format(word)


def of_class(captions, n, like):
    """Captions of other pictures of the class: what the templates say without the trigger word.

    Args:
        captions: list of n strings, or None.
        n: pictures.
        like: what all of them show: "woman"; None leaves the captions as they are.
    """
    if like is None:
        return captions
    return [
        caption or TEMPLATES[i % len(TEMPLATES)].format(_with_article(like))
        for i, caption in enumerate(captions or [""] * n)
    ]


def _with_article(noun):
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def token_of(preset, word):
    """The row of a word in a preset's table of vectors, None for no word.

    Raises:
        ValueError: if the model does not know it.
    """
    if word is None:
        return None
    text = preset.network.conditions["text"]
    (known,) = resolve(word, spoken(text.vocabulary), True).words
    return int(tokenizer_of(text).encode(known)[1])
