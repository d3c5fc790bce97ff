"""Ranks of adapters by block name; starts no backend."""

MAX_RANK = 256


def block_of(name):
    """The block that a weight lies in: "in0", "mid", "out3", ...; "text" for the text encoder."""
    first, *rest = name.split("/")
    return "text" if first == "conditioner" and rest[:1] == ["text"] else first


def parse_ranks(words):
    """Ranks by block name: "in0=8,out3=8,*=0" -> (("in0", 8), ("out3", 8), ("*", 0)).

    The first pattern that a block's name fits counts; a block that fits none is left alone.

    Raises:
        ValueError: one sentence, for anything else.
    """
    found = []
    for word in words.split(","):
        pattern, _, rank = (part.strip() for part in word.partition("="))
        if not pattern or not rank.isdecimal() or int(rank) > MAX_RANK:
            raise ValueError(
                f"ranks are BLOCK=RANK, several with commas between them, from 0 to {MAX_RANK}: "
                f"in0=8,out*=4,*=0. Received: {words!r}."
            )
        found.append((pattern, int(rank)))
    return tuple(found)
