"""What the simulated world's physics says of each property, as a function of composition alone.

Every function takes atomic fractions over the fifteen elements, shape (n, 15), and returns one value per row. The
coefficients are frozen: pair resistivities were fitted to 34 textbook pairs (R2 0.81), hardness to 226 formulas of the
MPEA data set (R2 0.68), the glass slopes to the 1,312 alloys of Xiong's table inside these elements (AUC 0.88).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from alloymtl.data.simulate.elements import INDEX, PAIR_ENTHALPY, constant

GAS_CONSTANT = 8.314e-3  # kJ/(mol K)
LORENZ = 2.44e-8  # W Ohm/K2, Sommerfeld value
ROOM_TEMPERATURE = 295.0  # K, as the resistivities of the elements
POROSITY_FACTOR = 1.15  # a sputtered film is 15 % worse a conductor than the dense alloy
GLASS_RESISTIVITY, BOUNDARY_RESISTIVITY = 60.0, 8.0  # uOhm cm: disorder of the glass, grain boundaries of the crystal
COMPOUND_ENTHALPY = -15.0  # kJ/mol: pairs at least this exothermic order
COMPOUND_WIDTH = 0.04  # atomic fraction, SD of the ordering well


@dataclass(frozen=True)
class Descriptors:
    """Of n compositions, each of shape (n,).

    Args:
        delta: size mismatch sqrt(sum c (1 - r/r_mean)^2), a fraction.
        enthalpy: mixing enthalpy 4 sum_{i<j} H_ij c_i c_j, kJ/mol (regular solution).
        entropy: configurational -R sum c ln c, kJ/(mol K).
        components: number of elements present.
        vec: mean number of valence electrons.
        shear: mean shear modulus, GPa.
        melting: mean melting point, K.
        largest: largest atomic fraction.
    """

    delta: np.ndarray
    enthalpy: np.ndarray
    entropy: np.ndarray
    components: np.ndarray
    vec: np.ndarray
    shear: np.ndarray
    melting: np.ndarray
    largest: np.ndarray

    @classmethod
    def of(cls, c: np.ndarray) -> Descriptors:
        """Compute them for atomic fractions ``c``, shape (n, 15)."""
        radius = constant("radius_A")
        mean_radius = c @ radius
        return cls(
            delta=np.sqrt((c * (1 - radius / mean_radius[:, None]) ** 2).sum(axis=1)),
            enthalpy=4 * _pair_sum(c, PAIR_ENTHALPY),
            entropy=-GAS_CONSTANT * (c * np.log(np.where(c > 0, c, 1))).sum(axis=1),
            components=(c > 0).sum(axis=1),
            vec=c @ constant("vec"),
            shear=c @ constant("shear_GPa"),
            melting=c @ constant("melting_K"),
            largest=c.max(axis=1),
        )


def _pair_sum(c: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Sum over pairs i < j of matrix_ij c_i c_j, for a symmetric matrix of zero diagonal."""
    return ((c @ matrix) * c).sum(axis=1) / 2


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))


@cache
def pair_resistivities() -> np.ndarray:
    """Nordheim coefficients A_ij in uOhm cm, shape (15, 15), for rho = sum_{i<j} A_ij c_i c_j.

    A = 80 + [not both sp] (215 (1 - exp(-(dVEC/3)^2)) + 9.3 |H|) + 1360 (2 dr/(r_i + r_j))^2
    + 145 [exactly one transition metal]: Nordheim's rule with Linde's step of valence, hybridisation by the pair
    enthalpy H, size, and d band against sp band.
    """
    valence, radius, transition = constant("vec"), constant("radius_A"), constant("transition_metal")
    step = valence[:, None] - valence
    size = 2 * (radius[:, None] - radius) / (radius[:, None] + radius)
    transition_metals = transition[:, None] + transition
    scattering = 215 * (1 - np.exp(-((step / 3) ** 2))) + 9.3 * np.abs(PAIR_ENTHALPY)
    a = 80 + np.where(transition_metals > 0, scattering, 0) + 1360 * size**2 + 145 * (transition_metals == 1)
    np.fill_diagonal(a, 0)
    return a


def order(c: np.ndarray) -> np.ndarray:
    """Degree of compound ordering, 0 to 1.

    Gaussian wells of SD 0.04 at 1:3, 1:1 and 3:1 of each pair with H <= -15 kJ/mol, of depth min(1, |H|/40); their sum
    is cut at 1.
    """
    q = np.zeros(len(c))
    for i, j in combinations(range(c.shape[1]), 2):
        if PAIR_ENTHALPY[i, j] > COMPOUND_ENTHALPY:
            continue
        # Below a tenth the nearest well is four SD away.
        rows = np.flatnonzero((c[:, i] > 0.1) & (c[:, j] > 0.1))
        for x in (0.25, 0.5, 0.75):
            distance = (c[rows, i] - x) ** 2 + (c[rows, j] - (1 - x)) ** 2
            q[rows] += min(1, -PAIR_ENTHALPY[i, j] / 40) * np.exp(-distance / (2 * COMPOUND_WIDTH**2))
    return np.minimum(q, 1)


def glass_score(c: np.ndarray) -> np.ndarray:
    """Tendency to solidify as a glass, dimensionless, after the criteria of Zhang and of Inoue.

    z = 2.1 (delta - 0.070)/0.030 + 0.8 tanh(-dH/12) - ((-dH - 25)/25)^2 + 0.4 (N - 3) - 1.5 max(0, c_max - 0.75)/0.1,
    dH in kJ/mol: size mismatch, a window of enthalpy, number of components, no dominant element.
    """
    d = Descriptors.of(c)
    return (
        2.1 * (d.delta - 0.070) / 0.030
        + 0.8 * np.tanh(-d.enthalpy / 12)
        - ((-d.enthalpy - 25) / 25) ** 2
        + 0.4 * (d.components - 3)
        - 1.5 * np.maximum(0, d.largest - 0.75) / 0.1
    )


def film_glass_share(c: np.ndarray) -> np.ndarray:
    """Glassy share of a sputtered film, 0 to 1: logistic((z + 1)/0.6); sputtering quenches harder than spinning."""
    return logistic((glass_score(c) + 1) / 0.6)


def d_band_resistivity(c: np.ndarray) -> np.ndarray:
    """Scattering into the d band (Mott), uOhm cm: 60 (1 - sum c^2) x_TM exp(-((VEC_TM - 6)/2.2)^2).

    x_TM is the atomic fraction of transition metals, VEC_TM their mean number of valence electrons.
    """
    transition = constant("transition_metal")
    share = c @ transition
    valence = (c @ (constant("vec") * transition)) / np.maximum(share, 1e-9)
    return 60 * (1 - (c**2).sum(axis=1)) * share * np.exp(-(((valence - 6) / 2.2) ** 2))


def resistivity(c: np.ndarray) -> np.ndarray:
    """Of a film, uOhm cm, by the parallel-resistor rule of saturation (Wiesmann).

    rho = 1.15 / (1/ideal + 1/sum c rho_sat), ideal = sum c rho + (rho_N + rho_d)(1 - 0.5 (1 - g) q) + 60 g + 8 (1 - g),
    with Nordheim's rho_N, the d band's rho_d, the glassy share g and the order q.
    """
    glass = film_glass_share(c)
    disorder = _pair_sum(c, pair_resistivities()) + d_band_resistivity(c)
    ideal = (
        c @ constant("rho_uohm_cm")
        + disorder * (1 - 0.5 * (1 - glass) * order(c))
        + GLASS_RESISTIVITY * glass
        + BOUNDARY_RESISTIVITY * (1 - glass)
    )
    return POROSITY_FACTOR / (1 / ideal + 1 / (c @ constant("rho_sat_uohm_cm")))


def bcc_share(d: Descriptors) -> np.ndarray:
    """Share of the bcc phase, 0 to 1: logistic((7.2 - VEC)/0.25), Guo's valence rule made smooth."""
    return logistic((7.2 - d.vec) / 0.25)


def hardness(c: np.ndarray) -> np.ndarray:
    """Vickers hardness of a cast alloy, GPa.

    H = 0.5 + 0.5 sum c H_i + 2.6 G delta^1.5 (1 - c_max)^0.5 + 3.3 b
    + 0.5 min(1, (c_Cr + c_Mo)/0.3) exp(-((VEC - 7.3)/0.4)^2) + 0.025 max(0, -dH - 10):
    rule of mixtures, solid solution after Labusch with G in GPa, bcc share b, sigma phase, bonding.
    """
    d = Descriptors.of(c)
    sigma_formers = c[:, INDEX["Cr"]] + c[:, INDEX["Mo"]]
    sigma_phase = np.minimum(1, sigma_formers / 0.3) * np.exp(-(((d.vec - 7.3) / 0.4) ** 2))
    return (
        0.5
        + 0.5 * c @ constant("hardness_GPa")
        + 2.6 * d.shear * d.delta**1.5 * np.sqrt(1 - d.largest)
        + 3.3 * bcc_share(d)
        + 0.5 * sigma_phase
        + 0.025 * np.maximum(0, -d.enthalpy - 10)
    )


def thermal_conductivity(c: np.ndarray) -> np.ndarray:
    """Of a film, W/(m K): electrons by Wiedemann and Franz, lattice with mass and size disorder.

    L T/rho + sum c kappa_i/(1 + 3 Gamma), Gamma = sum c (1 - M/M_mean)^2 + 60 delta^2.
    """
    mass = constant("mass_u")
    mean_mass = c @ mass
    disorder = (c * (1 - mass / mean_mass[:, None]) ** 2).sum(axis=1) + 60 * Descriptors.of(c).delta ** 2
    electrons = LORENZ * ROOM_TEMPERATURE / (resistivity(c) * 1e-8)  # uOhm cm to Ohm m
    return electrons + c @ constant("kappa_lattice_W_mK") / (1 + 3 * disorder)


def seebeck(c: np.ndarray) -> np.ndarray:
    """Absolute thermopower of a film, uV/K, by the Nordheim-Gorter rule.

    (sum c rho_i S_i - 6 tanh((VEC - 7)/2) max(rho - pure, 0)) / max(rho, pure), pure = sum c rho_i: each source of
    scattering counts by its resistivity.
    """
    rho, pure = resistivity(c), c @ constant("rho_uohm_cm")
    elements = c @ (constant("rho_uohm_cm") * constant("seebeck_uV_K"))
    alloying = -6 * np.tanh((c @ constant("vec") - 7) / 2)
    return (elements + alloying * np.maximum(rho - pure, 0)) / np.maximum(rho, pure)


def yield_strength(c: np.ndarray) -> np.ndarray:
    """MPa: 1000 H/3.6 (0.7 + 0.4 b) + 900 delta G/80, Tabor's ratio moved by the bcc share b; H, G in GPa."""
    d = Descriptors.of(c)
    return 1000 * hardness(c) / 3.6 * (0.7 + 0.4 * bcc_share(d)) + 900 * d.delta * d.shear / 80


def ultimate_strength(c: np.ndarray) -> np.ndarray:
    """MPa: yield strength times 1.1 + 0.9 (1 - b), plus 120 S/R; what is not bcc hardens more under load."""
    d = Descriptors.of(c)
    return yield_strength(c) * (1.1 + 0.9 * (1 - bcc_share(d))) + 120 * d.entropy / GAS_CONSTANT


def formation_enthalpy(c: np.ndarray) -> np.ndarray:
    """kJ/mol: dH (1 + 0.25 q) + 700 delta^2; the mixing enthalpy, deeper where the alloy orders, and lattice strain."""
    d = Descriptors.of(c)
    return d.enthalpy * (1 + 0.25 * order(c)) + 700 * d.delta**2


def phase_stability(c: np.ndarray) -> np.ndarray:
    """Free energy of the solid solution at 0.8 of the melting point, kJ/mol: dH + 700 delta^2 - 0.8 T_m S."""
    d = Descriptors.of(c)
    return d.enthalpy + 700 * d.delta**2 - 0.8 * d.melting * d.entropy


PHYSICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "resistivity": resistivity,
    "hardness": hardness,
    "amorphous": glass_score,
    "thermal_conductivity": thermal_conductivity,
    "seebeck": seebeck,
    "yield_strength": yield_strength,
    "ultimate_strength": ultimate_strength,
    "formation_enthalpy": formation_enthalpy,
    "phase_stability": phase_stability,
}
