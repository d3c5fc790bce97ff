"""How well embeddings tell whether two pictures show one person."""

import numpy as np


def pair_cosines(embeddings, who):
    """The cosines of all pairs of pictures.

    Args:
        embeddings: (N, D) of unit length.
        who: (N,) integers, the person in each picture.

    Returns:
        (same, different): float32 (A,) and (B,), pairs of one person and of two.

    Raises:
        ValueError: if there is no pair of one of the kinds.
    """
    embeddings, who = np.asarray(embeddings, np.float32), np.asarray(who)
    first, second = np.triu_indices(len(who), 1)
    cosines = (embeddings @ embeddings.T)[first, second]
    one = who[first] == who[second]
    if one.all() or not one.any():
        raise ValueError(
            "Verification needs at least two people, one of them with two pictures. "
            f"Received: {len(who)} pictures of {len(set(who.tolist()))} people."
        )
    return cosines[one], cosines[~one]


def auc(same, different):
    """The chance that a pair of one person has a larger cosine than a pair of two; ties count half.

    Args:
        same, different: (A,), (B,): cosines.

    Returns:
        float in [0, 1].
    """
    different = np.sort(different)
    below = np.searchsorted(different, same, "left")
    ties = np.searchsorted(different, same, "right") - below
    return float((below + 0.5 * ties).mean() / len(different))


def tar_at_far(same, different, far):
    """Share of pairs of one person accepted where `far` of the pairs of two are accepted as well.

    Args:
        same, different: (A,), (B,): cosines.
        far: false accept rate, in (0, 1).

    Returns:
        (tar, threshold): floats; pairs above the threshold are accepted.
    """
    threshold = float(np.quantile(different, 1.0 - far, method="higher"))
    return float((same > threshold).mean()), threshold


def strangers_taken(embeddings, who, alike, thresholds):
    """How many strangers pass for the person, by threshold.

    Args:
        embeddings: (N, D) of unit length.
        who: (N,) integers, the person in each picture.
        alike: bool (N, N): which pictures' people could be mistaken, as of one sex and age.
        thresholds: of the cosine.

    Returns:
        {"strangers": number of pairs of two such people, "own": number of pairs of one person,
        "false", "own_accepted": the share of either above each threshold,
        "threshold_at_far_1e-2": above which 1% of strangers pass}.
    """
    embeddings, who = np.asarray(embeddings, np.float32), np.asarray(who)
    first, second = np.triu_indices(len(who), 1)
    cosines = (embeddings @ embeddings.T)[first, second]
    one = who[first] == who[second]
    own, other = cosines[one], cosines[~one & np.asarray(alike)[first, second]]
    return {
        "strangers": len(other),
        "own": len(own),
        "thresholds": [float(t) for t in thresholds],
        "false": [float((other > t).mean()) for t in thresholds],
        "own_accepted": [float((own > t).mean()) for t in thresholds],
        "threshold_at_far_1e-2": tar_at_far(own, other, 1e-2)[1],
    }


def best_threshold(same, different):
    """The cosine that splits best: the largest mean of true accepts and true rejects.

    Args:
        same, different: (A,), (B,): cosines.

    Returns:
        (threshold, accuracy): floats; accuracy is the mean of the two shares.
    """
    levels = np.linspace(-1.0, 1.0, 2001)
    accepted = 1.0 - np.searchsorted(np.sort(same), levels, "right") / len(same)
    rejected = np.searchsorted(np.sort(different), levels, "right") / len(different)
    balanced = (accepted + rejected) / 2
    best = np.flatnonzero(balanced >= balanced.max() - 1e-12)
    middle = best[len(best) // 2]  # where a whole range splits alike, its middle is the safest
    return float(levels[middle]), float(balanced[middle])


def report(embeddings, who):
    """Everything above in one dictionary of plain numbers; arguments as `pair_cosines`."""
    same, different = pair_cosines(embeddings, who)
    threshold, accuracy = best_threshold(same, different)
    return {
        "pictures": len(who),
        "people": len(set(np.asarray(who).tolist())),
        "pairs_same": len(same),
        "pairs_different": len(different),
        "auc": auc(same, different),
        "tar_at_far_1e-2": tar_at_far(same, different, 1e-2)[0],
        "tar_at_far_1e-3": tar_at_far(same, different, 1e-3)[0],
        "threshold_at_far_1e-2": tar_at_far(same, different, 1e-2)[1],
        "best_threshold": threshold,
        "balanced_accuracy": accuracy,
        "cosine_same_median": float(np.median(same)),
        "cosine_different_median": float(np.median(different)),
    }
