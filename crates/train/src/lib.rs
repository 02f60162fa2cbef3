//! Trials, nested cross-validation, search, calibration, evaluation, report.
