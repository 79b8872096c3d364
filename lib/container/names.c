/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Made-up names for containers that were given none: an adjective and the surname of somebody in science or
 * engineering, as Docker makes them, so that people can say and remember them. Unique only by luck: who
 * inserts a row asks for another where the name is taken, and from the third on with a number.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "container/container.h"

static const char *const adjectives[] = {
	"agile",   "airy",   "alert",  "amber",  "ample",  "apt",     "azure",   "bold",   "brave",  "breezy", "bright",  "brisk",
	"calm",    "candid", "cheery", "civil",  "clear",  "clever",  "cordial", "cosmic", "cosy",   "crisp",  "curious", "dapper",
	"daring",  "deft",   "dreamy", "eager",  "early",  "earnest", "easy",    "elated", "fair",   "famous", "fancy",   "festive",
	"fine",    "fluent", "fond",   "frank",  "free",   "fresh",   "frosty",  "gentle", "glad",   "golden", "grand",   "happy",
	"hardy",   "hearty", "honest", "humble", "ideal",  "jolly",   "jovial",  "keen",   "kind",   "large",  "lively",  "loyal",
	"lucid",   "lucky",  "mellow", "merry",  "mild",   "modest",  "neat",    "nimble", "noble",  "novel",  "open",    "patient",
	"placid",  "polite", "proud",  "quick",  "quiet",  "ready",   "robust",  "rosy",   "serene", "sharp",  "silent",  "simple",
	"sincere", "smooth", "snug",   "solid",  "steady", "sunny",   "swift",   "tender", "tidy",   "true",   "vivid",   "warm",
	"wise",    "witty",  "zesty",  "upbeat",
};

static const char *const surnames[] = {
	"abel",      "ampere",     "anning",       "babbage",  "bardeen", "bell",        "bernoulli", "berners",    "bohr",
	"boole",     "bose",       "boyle",        "brahe",    "brunel",  "cantor",      "carson",    "cauchy",     "cerf",
	"chandra",   "clarke",     "copernicus",   "coulomb",  "curie",   "darwin",      "descartes", "dijkstra",   "dirac",
	"edison",    "einstein",   "eratosthenes", "euclid",   "euler",   "faraday",     "fermat",    "fermi",      "feynman",
	"fibonacci", "fourier",    "franklin",     "galileo",  "galois",  "gauss",       "germain",   "goedel",     "goodall",
	"hamilton",  "hawking",    "heisenberg",   "herschel", "hertz",   "hilbert",     "hodgkin",   "hooke",      "hopper",
	"hubble",    "huygens",    "hypatia",      "jacobi",   "johnson", "joule",       "kay",       "kepler",     "khayyam",
	"kirch",     "knuth",      "kovalevskaya", "lagrange", "lamarr",  "lamport",     "laplace",   "leavitt",    "leibniz",
	"linnaeus",  "liskov",     "lovelace",     "margulis", "maxwell", "mccarthy",    "mclean",    "meitner",    "mendel",
	"mendeleev", "mirzakhani", "morse",        "napier",   "newton",  "nightingale", "nobel",     "noether",    "ohm",
	"pascal",    "pasteur",    "pauli",        "perlman",  "planck",  "poincare",    "ptolemy",   "raman",      "ramanujan",
	"ride",      "riemann",    "ritchie",      "rubin",    "sagan",   "shannon",     "snyder",    "somerville", "tesla",
	"thompson",  "torvalds",   "turing",       "volta",    "wallace", "watt",        "wiles",     "wing",       "wozniak",
	"wright",    "wu",         "yalow",
};

void name_make(char out[NAME_MAX_MADE], unsigned int attempt)
{
	uint32_t random[3];

	/* Where the pool is not ready yet, a poor choice does no harm: the name is not a secret. */
	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t) sizeof(random)) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		random[0] = (uint32_t) now.tv_nsec;
		random[1] = (uint32_t) now.tv_nsec / 1009;
		random[2] = (uint32_t) now.tv_nsec / 7;
	}
	if (attempt < 2)
		snprintf(out, NAME_MAX_MADE, "%s_%s", adjectives[random[0] % ARRAY_SIZE(adjectives)],
			 surnames[random[1] % ARRAY_SIZE(surnames)]);
	else
		snprintf(out, NAME_MAX_MADE, "%s_%s%u", adjectives[random[0] % ARRAY_SIZE(adjectives)],
			 surnames[random[1] % ARRAY_SIZE(surnames)], random[2] % (attempt < 6 ? 100 : UINT32_MAX));
}
