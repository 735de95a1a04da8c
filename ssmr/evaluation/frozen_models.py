"""Classical regressors on frozen features: what a model with references has to beat.

They are fitted on all that a fold may be trained with (train and val together) and choose their settings there by
cross-validation, which is more than the network gets: its val part only selects the epoch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssmr.evaluation.baselines import ALPHAS
from ssmr.evaluation.metrics import FloatArray

SVR_GRID = {'svr__C': [0.1, 0.3, 1.0, 3.0, 10.0], 'svr__epsilon': [0.05, 0.2]}


def ridge_on_all(
    features: npt.NDArray[np.floating], scores: npt.ArrayLike, test: npt.NDArray[np.floating]
) -> FloatArray:
    """Ridge regression on standardised features, the penalty by leave-one-out error.

    Args:
        features: [M, D] of the works that may be learned from.
        scores: [M] their labels.
        test: [n, D].

    Returns:
        [n] predictions.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS))
    return np.asarray(model.fit(np.float64(features), scores).predict(np.float64(test)))


def svr_on_all(
    features: npt.NDArray[np.floating], scores: npt.ArrayLike, test: npt.NDArray[np.floating], seed: int = 0
) -> FloatArray:
    """Support vector regression (RBF kernel) on standardised features; C and epsilon by 4-fold cross-validation.

    Args:
        features: [M, D] of the works that may be learned from.
        scores: [M] their labels.
        test: [n, D].
        seed: Of the division into folds.

    Returns:
        [n] predictions.
    """
    from sklearn.model_selection import GridSearchCV, KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    model = make_pipeline(StandardScaler(), SVR(kernel='rbf', gamma='scale'))
    search = GridSearchCV(model, SVR_GRID, cv=KFold(4, shuffle=True, random_state=seed))
    return np.asarray(search.fit(np.float64(features), scores).predict(np.float64(test)))
