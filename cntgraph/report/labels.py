"""What axes are called: the measure and its unit."""

from __future__ import annotations

#: Beginnings of measures' names, and the unit of those that have one.
_UNITS = (
    ("strength", "sum of weights"),
    ("in_strength", "sum of weights"),
    ("out_strength", "sum of weights"),
    ("fluctuation", "std of strength"),
    ("link_weight_", "weight"),
)
_NAMES = {"link_weights": "link weight"}
#: Of these only the number is told, whatever they are of.
_WITHOUT_UNIT = ("skew", "kurtosis", "fraction", "n_nan", "n_inf")

_DIVERGENCES = {
    "jeffreys": ("Jeffreys divergence", "nats"),
    "kullback_leibler": ("Kullback–Leibler divergence", "nats"),
    "jensen_shannon": ("Jensen–Shannon divergence", "nats"),
    "wasserstein": ("Wasserstein distance", "weight"),
    "kolmogorov_smirnov": ("Kolmogorov–Smirnov distance", ""),
    "energy": ("energy distance", "√weight"),
}

_CHANGES = {
    "change": "‖ΔW‖ / ‖W‖",
    "sign_flips": "share of weights with another sign",
    "effective_rank": "effective rank of ΔW",
    "strength_change": "‖Δs‖ / ‖s‖ of strengths",
    "fluctuation_change": "Δσ / σ of fluctuation",
}


def change_label(name: str) -> str:
    """Return what an axis calls a column of `compare`.

    Examples
    --------
    >>> change_label("change"), change_label("cosine"), change_label("divergence")
    ('‖ΔW‖ / ‖W‖', 'cosine', 'Jensen–Shannon divergence (nats)')
    """
    if name == "divergence":
        return divergence_label("jensen_shannon")
    return _CHANGES.get(name, name.replace("_", " "))


def measure_label(name: str) -> str:
    """Return a measure's name as an axis shows it, with its unit.

    Parameters
    ----------
    name : str
        A column of `analyze`, or a distribution of `samples`.

    Returns
    -------
    str

    Examples
    --------
    >>> measure_label("strength"), measure_label("link_weights"), measure_label("train_loss")
    ('strength (sum of weights)', 'link weight', 'train loss')
    """
    text = _NAMES.get(name, name).replace("_", " ")
    if not name.endswith(_WITHOUT_UNIT):
        for beginning, unit in _UNITS:
            if name.startswith(beginning):
                return f"{text} ({unit})"
    return text


def divergence_label(kind: str | None, base: float | None = None) -> str:
    """Return what a color bar calls a divergence, with its unit.

    Parameters
    ----------
    kind : str or None
        As `divergence` takes it; None if it is not known.
    base : float, optional
        Base of the logarithm: 2 for bits; by default nats.

    Returns
    -------
    str

    Examples
    --------
    >>> divergence_label("jeffreys"), divergence_label("jensen_shannon", 2), divergence_label(None)
    ('Jeffreys divergence (nats)', 'Jensen–Shannon divergence (bits)', 'divergence')
    """
    name, unit = _DIVERGENCES.get(kind or "", ((kind or "divergence").replace("_", " "), ""))
    if unit == "nats" and base is not None:
        unit = "bits" if base == 2 else f"log {base:g}"
    return f"{name} ({unit})" if unit else name


def short_name(name: object, most: int = 28) -> str:
    """Return the end of a name that is too long, from a dot on if there is one.

    Examples
    --------
    >>> short_name("model.layers.0.self_attn.q_proj", 17), short_name("conv1", 17)
    ('…self_attn.q_proj', 'conv1')
    """
    text = str(name)
    if len(text) <= most:
        return text
    return "…" + (text[-most:].partition(".")[2] or text[1 - most :])
