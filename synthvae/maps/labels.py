"""Labels on a map: positions of label names, and labels predicted for unlabelled sounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # which loads its parts on first use: the page of `explore` does not wait for them
from numpy.typing import NDArray

from synthvae.maps.clusters import TRUE

__all__ = ["LabelPlace", "held_out_guesses", "label_places", "predict_labels"]

#: Number of points around a label's position that are checked for the label.
AROUND = 15
#: Number of folds of the cross-validation.
FOLDS = 5
#: Maximum number of iterations of the classifier.
ITERATIONS = 1000


@dataclass(frozen=True)
class LabelPlace:
    """A label on a map.

    Attributes:
        x: x of the position of its name.
        y: y of the position of its name.
        share: share of the points around the position that have the label.
        count: number of points that have it.
    """

    x: float
    y: float
    share: float
    count: int

    @property
    def true(self) -> bool:
        """Whether at least `TRUE` of the surrounding points have the label, as for names of clusters."""
        return self.share >= TRUE


def label_places(points: NDArray[np.floating], labels: NDArray[np.integer], count: int) -> list[LabelPlace]:
    """Position of each label's name: the centre of its points where that is among them, else where most of them are.

    Args:
        points: ``(N, 2)``.
        labels: ``(N,)``, numbers from 0; below 0 where a point has none.
        count: number of labels.
    """
    places, tree = np.asarray(points, np.float64), scipy.spatial.cKDTree(points)
    around = min(AROUND, len(places))
    near = np.reshape(tree.query(places, around)[1], (len(places), -1))
    found = []
    for label in range(count):
        members = np.flatnonzero(labels == label)
        if not len(members):
            found.append(LabelPlace(0.0, 0.0, 0.0, 0))
            continue
        centre = np.median(places[members], axis=0)
        share = float((labels[np.atleast_1d(tree.query(centre, around)[1])] == label).mean())
        if share < TRUE:
            shares = (labels[near[members]] == label).mean(axis=1)
            best = members[np.isclose(shares, shares.max())]
            middle = np.median(places[best], axis=0)
            centre = places[best[np.square(places[best] - middle).sum(axis=1).argmin()]]
            share = float(shares.max())
        x, y = centre.tolist()
        found.append(LabelPlace(x, y, share, len(members)))
    return found


def predict_labels(
    features: NDArray[np.floating], labels: NDArray[np.integer], others: NDArray[np.floating]
) -> NDArray[np.intp]:
    """Labels ``(M,)`` of features ``(M, K)`` by logistic regression on features ``(N, K)`` with labels ``(N,)``."""
    known = np.unique(labels)
    if len(known) == 1:
        return np.full(len(others), known[0], np.intp)
    from sklearn.linear_model import LogisticRegression  # a second to import

    # One scale for all: small components are noise where sounds are few.
    centre, scale = features.mean(axis=0), float(features.std()) or 1.0
    classifier = LogisticRegression(max_iter=ITERATIONS, class_weight="balanced")
    classifier.fit((features - centre) / scale, labels)
    return classifier.predict((others - centre) / scale).astype(np.intp)


def held_out_guesses(
    features: NDArray[np.floating], labels: NDArray[np.integer], groups: NDArray[np.integer]
) -> NDArray[np.intp]:
    """Labels ``(N,)`` of features ``(N, K)``, each by `predict_labels` on the other parts of the sounds.

    Args:
        features: see above.
        labels: ``(N,)``, the true ones.
        groups: ``(N,)``, sounds of one group are in one part: those that are nearly alike.
    """
    every = np.unique(groups)
    order = np.random.default_rng(0).permutation(len(every))
    part = np.empty(len(every), np.intp)
    part[order] = np.arange(len(every)) % FOLDS
    fold = part[np.searchsorted(every, groups)]
    found = np.full(len(labels), -1, np.intp)
    for number in np.unique(fold):
        test = fold == number
        if test.all():
            return labels.astype(np.intp)
        found[test] = predict_labels(features[~test], labels[~test], features[test])
    return found
