//! Text normalisation, n-grams and offsets.
