//! The checks of a data set: their names, default severities and what each is about.
//!
//! Names never change meaning. `checks:` of a Dataset sets the severity of the adjustable ones or turns them off.

use loquat_spec::{CheckName, Severity};

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Its name, in kebab case.
    pub name: CheckName,
    /// Its severity unless the Dataset says otherwise.
    pub severity: Severity,
    /// Whether the Dataset may change the severity. The others report what leaves nothing to train on.
    pub adjustable: bool,
    /// What it finds.
    pub about: &'static str,
}

pub(crate) const UNREADABLE: CheckName = "unreadable";
pub(crate) const UNKNOWN_CHECK: CheckName = "unknown-check";
pub(crate) const MISSING_COLUMN: CheckName = "missing-column";
pub(crate) const NO_TEXT: CheckName = "no-text";
pub(crate) const NO_LABELS: CheckName = "no-labels";
pub(crate) const ONE_CLASS: CheckName = "one-class";
pub(crate) const INVALID_UTF8: CheckName = "invalid-utf8";
pub(crate) const NUL: CheckName = "nul";
pub(crate) const LINE_TOO_LONG: CheckName = "line-too-long";
pub(crate) const INVALID_ROW: CheckName = "invalid-row";
pub(crate) const WRONG_TYPE: CheckName = "wrong-type";
pub(crate) const INVALID_TAGS: CheckName = "invalid-tags";
pub(crate) const INVALID_SPANS: CheckName = "invalid-spans";
pub(crate) const INVALID_WEIGHT: CheckName = "invalid-weight";
pub(crate) const INVALID_SHARES: CheckName = "invalid-shares";
pub(crate) const UNKNOWN_SPLIT: CheckName = "unknown-split";
pub(crate) const OVERLAPPING_FILES: CheckName = "overlapping-files";
pub(crate) const EMPTY_SPLIT: CheckName = "empty-split";
pub(crate) const EMPTY_ROW: CheckName = "empty-row";
pub(crate) const MISSING_LABEL: CheckName = "missing-label";
pub(crate) const DUPLICATE: CheckName = "duplicate";
pub(crate) const LEAKAGE: CheckName = "leakage";
pub(crate) const GROUP_LEAKAGE: CheckName = "group-leakage";
pub(crate) const TRANSLATION_LEAKAGE: CheckName = "translation-leakage";
pub(crate) const ABSENT_LABEL: CheckName = "absent-label";
pub(crate) const NEAR_DUPLICATE: CheckName = "near-duplicate";
pub(crate) const NEAR_LEAKAGE: CheckName = "near-leakage";
pub(crate) const PREMISE_LEAKAGE: CheckName = "premise-leakage";
pub(crate) const SAME_PAIR: CheckName = "same-pair";
pub(crate) const LABEL_CUE: CheckName = "label-cue";
pub(crate) const MOJIBAKE: CheckName = "mojibake";
pub(crate) const LANGUAGE_MISMATCH: CheckName = "language-mismatch";
pub(crate) const LENGTH_OUTLIER: CheckName = "length-outlier";
pub(crate) const PERSONAL_DATA: CheckName = "personal-data";
pub(crate) const LOOSE_TAG: CheckName = "loose-tag";
pub(crate) const CUT_SPAN: CheckName = "cut-span";
pub(crate) const ENTITY_CONFLICT: CheckName = "entity-conflict";
pub(crate) const LABEL_TIE: CheckName = "label-tie";
pub(crate) const LABEL_CONFLICT: CheckName = "label-conflict";
pub(crate) const SMALL_CLASS: CheckName = "small-class";
pub(crate) const LABEL_SPELLING: CheckName = "label-spelling";
pub(crate) const UNSEEN_LABEL: CheckName = "unseen-label";
pub(crate) const UNDECLARED_LABEL: CheckName = "undeclared-label";
pub(crate) const UNDECLARED_LANGUAGE: CheckName = "undeclared-language";
pub(crate) const ABSENT_LANGUAGE: CheckName = "absent-language";
pub(crate) const CLASS_SHARES: CheckName = "class-shares";

const fn fixed(name: CheckName, about: &'static str) -> Check {
    Check { name, severity: Severity::Error, adjustable: false, about }
}

const fn error(name: CheckName, about: &'static str) -> Check {
    Check { name, severity: Severity::Error, adjustable: true, about }
}

const fn warning(name: CheckName, about: &'static str) -> Check {
    Check { name, severity: Severity::Warning, adjustable: true, about }
}

const fn info(name: CheckName, about: &'static str) -> Check {
    Check { name, severity: Severity::Info, adjustable: true, about }
}

/// Every check, in the order in which findings of one severity are reported.
pub const CHECKS: &[Check] = &[
    fixed(UNREADABLE, "a file that is absent, damaged, of unknown format or matched by no glob"),
    fixed(
        UNKNOWN_CHECK,
        "a name in `checks` that is no check, or a severity for a check that has a fixed one",
    ),
    fixed(MISSING_COLUMN, "a column named in `columns` or `split` that no row of a file has"),
    fixed(NO_TEXT, "no row with usable text, or none left for training"),
    fixed(NO_LABELS, "no usable row with a label"),
    fixed(ONE_CLASS, "all rows, or all training rows, have the same label"),
    error(INVALID_UTF8, "bytes that are not UTF-8"),
    error(NUL, "NUL bytes or characters"),
    error(LINE_TOO_LONG, "lines over 64 MiB"),
    error(INVALID_ROW, "records that are not what their format says"),
    error(WRONG_TYPE, "values of the wrong type"),
    error(INVALID_TAGS, "tags that are not BIO, or not as many as tokens"),
    error(INVALID_SPANS, "spans outside of their text"),
    error(INVALID_WEIGHT, "weights that are negative or not finite"),
    error(INVALID_SHARES, "shares of labels that are negative, not finite or all zero, or that no label has"),
    error(UNKNOWN_SPLIT, "values of the split column that name no part"),
    warning(OVERLAPPING_FILES, "files that stand in the source twice, or in the source and in a split"),
    warning(EMPTY_SPLIT, "a part that is asked for and gets no row"),
    warning(EMPTY_ROW, "rows without text, which are dropped"),
    warning(MISSING_LABEL, "rows without a label, which are dropped"),
    warning(TRANSLATION_LEAKAGE, "rows that look like translations of each other and are not grouped"),
    warning(LEAKAGE, "texts that stand in training and in a part that measures it"),
    warning(GROUP_LEAKAGE, "groups that stand in training and in a part that measures it"),
    warning(NEAR_LEAKAGE, "texts that stand in training and in a part that measures it but for a few words"),
    warning(PREMISE_LEAKAGE, "premises that stand in training and in a part that measures it"),
    warning(LABEL_TIE, "rows of which as many annotators say one label as another"),
    warning(LABEL_CONFLICT, "the same text under different labels"),
    warning(DUPLICATE, "the same text under the same label in one part"),
    warning(NEAR_DUPLICATE, "texts of one part that differ in a few words only"),
    warning(SAME_PAIR, "pairs of two equal texts"),
    warning(LABEL_CUE, "words that begin or end many texts of one label and hardly any other"),
    warning(MOJIBAKE, "text that was decoded wrongly on its way"),
    warning(LANGUAGE_MISMATCH, "texts that look like another language than their row or the Dataset says"),
    warning(LENGTH_OUTLIER, "texts many times longer than the others"),
    warning(
        PERSONAL_DATA,
        "mail addresses, telephone numbers and numbers of payment cards, counted and never shown",
    ),
    warning(LOOSE_TAG, "`I-` tags that continue no entity of their type"),
    warning(CUT_SPAN, "spans that begin or end inside a word or with white space"),
    warning(SMALL_CLASS, "classes with fewer training rows than folds"),
    warning(LABEL_SPELLING, "labels that differ in case, width, spaces, hyphens or a letter only"),
    warning(UNSEEN_LABEL, "labels of development or test rows that training lacks"),
    warning(UNDECLARED_LABEL, "labels that are languages which `languages` does not declare"),
    warning(UNDECLARED_LANGUAGE, "languages that `languages` does not declare"),
    warning(ABSENT_LANGUAGE, "declared languages without a row"),
    info(ABSENT_LABEL, "labels of training without a row in a part that measures"),
    info(ENTITY_CONFLICT, "entities that mostly have one type and another one elsewhere"),
    info(CLASS_SHARES, "the share of each class in each part"),
];

/// Place of the check in the catalogue.
pub(crate) fn position(name: &str) -> usize {
    CHECKS.iter().position(|check| check.name == name).unwrap_or(CHECKS.len())
}
